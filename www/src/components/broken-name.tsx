/** The name of a node, which breaks behind its slashes, dots and underscores, where it must. */
export function BrokenName({ name }: { name: string }) {
  return name.split(/(?<=[/._])/).map((part, at) => [at > 0 && <wbr key={at} />, part]);
}
