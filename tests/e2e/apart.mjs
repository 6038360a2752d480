// Networks taken apart as exporters do it: weights in files beside the .onnx.

const varint = (value) =>
  value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))];

/** A protobuf field with bytes, text or a number. */
const field = (number, value) => {
  if (typeof value === 'number') return Buffer.from([...varint(number * 8), ...varint(value)]);
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([...varint(number * 8 + 2), ...varint(bytes.length)]), bytes]);
};

/** The fields of a message: number, the whole field, and its bytes where it has a length. */
function* fields(message) {
  let at = 0;
  const number = () => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = message[at++];
      value += (byte % 128) * factor;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const start = at;
    const key = number();
    const kind = key % 8;
    let bytes = null;
    if (kind === 0) number();
    else if (kind === 1) at += 8;
    else if (kind === 5) at += 4;
    else {
      const length = number();
      bytes = message.subarray(at, (at += length));
    }
    yield { number: Math.floor(key / 8), whole: message.subarray(start, at), bytes };
  }
}

/** The message with what `change` makes of the bytes of its fields of that number. */
const map = (message, wanted, change) =>
  Buffer.concat(
    [...fields(message)].map(({ number, whole, bytes }) =>
      number === wanted ? field(number, change(bytes)) : whole,
    ),
  );

const [GRAPH, INITIALIZER, RAW_DATA, EXTERNAL_DATA, DATA_LOCATION] = [7, 5, 9, 13, 14];

/** Puts the weights of a network into the files of these names, by turns: the network and its files. */
export const apart = (network, names) => {
  const files = names.map((name) => ({ name, parts: [Buffer.from('head')] }));
  let turn = 0;
  const moved = (tensor) => {
    const raw = [...fields(tensor)].find(({ number }) => number === RAW_DATA)?.bytes;
    if (!raw) return tensor;
    const { name, parts } = files[turn++ % files.length];
    const offset = Buffer.concat(parts).length;
    parts.push(raw);
    const entries = { location: name, offset: `${offset}`, length: `${raw.length}` };
    const rest = [...fields(tensor)].filter(({ number }) => number !== RAW_DATA);
    return Buffer.concat([
      ...rest.map(({ whole }) => whole),
      ...Object.entries(entries).map((entry) =>
        field(EXTERNAL_DATA, Buffer.concat(entry.map((text, at) => field(at + 1, text)))),
      ),
      field(DATA_LOCATION, 1),
    ]);
  };
  const model = map(network, GRAPH, (graph) => map(graph, INITIALIZER, moved));
  return { model, files: files.map(({ name, parts }) => ({ name, buffer: Buffer.concat(parts) })) };
};
