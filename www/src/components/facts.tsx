/** Facts by name, one beside the other. */
export function Facts({ facts, class: className = 'facts-list' }: { facts: [string, string][]; class?: string }) {
  return (
    <dl class={className}>
      {facts.map(([name, text]) => (
        <div key={name}>
          <dt class="quiet">{name}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}
