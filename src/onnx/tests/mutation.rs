//! Damaged files: nothing panics, hangs or takes much memory.

use super::fixtures::{TestFile, floats, int_attribute, node, real_networks, tensor_attribute, with};
use crate::onnx::proto::{self, AttributeProto, FunctionProto, NodeProto};
use crate::onnx::{ExportOptions, export, import};
use crate::tensor::Value;

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, good enough to choose bytes.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`, which is not 0.
    fn below(&mut self, limit: usize) -> usize {
        let limit = u64::try_from(limit).unwrap();
        usize::try_from(self.next() % limit).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// Spoils a file: half of the time one byte, which leaves the messages around it whole, so that the
/// damage gets far; otherwise one to four places, lengths included.
fn mutate(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = original.to_vec();
    let (places, kinds) = if random.below(2) == 0 { (1, 2) } else { (1 + random.below(4), 7) };
    for _ in 0..places {
        if bytes.is_empty() {
            break;
        }
        let at = random.below(bytes.len());
        let end = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(kinds) {
            0 => bytes[at] = random.byte(),
            1 => bytes[at] ^= 1 << random.below(8),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, random.byte()),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let copy = bytes[at..end].to_vec();
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            // A length or number far too large: a varint of all ones.
            _ => drop(bytes.splice(at..end, [0xff, 0xff, 0xff, 0xff, 0x7f])),
        }
    }
    bytes
}

/// Imports `count` damaged forms of a file; returns how many were still good.
fn survive(original: &[u8], count: usize, seed: u64) -> usize {
    let mut random = Random(seed);
    let mut good = 0;
    for round in 0..count {
        let bytes = mutate(original, &mut random);
        match import(&bytes) {
            Ok(imported) => {
                good += 1;
                // float16 doubles, a list of single-byte numbers becomes eight bytes each.
                let held: usize = imported
                    .graph
                    .values()
                    .filter_map(|(_, v)| v.constant.as_ref())
                    .map(Value::size_bytes)
                    .sum();
                assert!(held <= 8 * bytes.len(), "round {round} holds {held} of {} bytes", bytes.len());
                // What still reads must still write, or say why not.
                let _ = export(&imported.graph, &ExportOptions::default());
            }
            Err(error) => {
                assert!(error.code().starts_with("onnx/"));
                assert!(!error.to_string().is_empty());
            }
        }
    }
    good
}

#[test]
fn damaged_small_files_are_survived() {
    let value = tensor_attribute("value", &floats("", &[2], &[4.0, 5.0]));
    let file = TestFile::small()
        .node(&with(node("Constant", "c", &[], &["k"]), &value))
        .node(&with(node("Constant", "i", &[], &["n"]), &int_attribute("value_int", 9)))
        .node(&node("Add", "late", &["y", "k"], &["z"]))
        .output("z", &["batch", "2"]);
    let good = survive(&file.bytes(), 20_000, 1);
    // Damage inside a weight, a name or the header's text stays unseen; most is found.
    assert!((1_000..10_000).contains(&good), "{good} of 20000 still read");
}

#[test]
fn damaged_functions_are_survived() {
    let text = |text: &str| text.to_owned();
    let function = |name: &str, nodes: &[NodeProto]| FunctionProto {
        name: Some(text(name)),
        domain: Some(text("own")),
        input: vec![text("a")],
        output: vec![text("b")],
        attribute_proto: vec![proto::encode(&int_attribute("axis", 1))],
        node: nodes.iter().map(proto::encode).collect(),
        ..FunctionProto::default()
    };
    let call = |inputs: &[&str], outputs: &[&str]| {
        let call = NodeProto { domain: Some(text("own")), ..node("G", "", inputs, outputs) };
        with(call, &int_attribute("axis", 0))
    };
    let axis = AttributeProto { ref_attr_name: Some(text("axis")), ..int_attribute("axis", 0) };
    let mut file = TestFile::small().node(&call(&["y"], &["z"])).output("z", &["batch", "2"]);
    let inner = function("F", &[with(node("Softmax", "", &["a"], &["b"]), &axis)]);
    let outer = function("G", &[NodeProto { op_type: text("F"), ..call(&["a"], &["b"]) }]);
    file.model.functions = vec![proto::encode(&inner), proto::encode(&outer)];
    let good = survive(&file.bytes(), 20_000, 3);
    assert!((1_000..10_000).contains(&good), "{good} of 20000 still read");
}

#[test]
fn damaged_real_networks_are_survived() {
    for path in real_networks().unwrap_or_default() {
        let bytes = std::fs::read(&path).unwrap();
        // The same work for each file, whatever its size: 20,000 for the smallest.
        let count = (600_000_000 / bytes.len()).clamp(20, 20_000);
        let good = survive(&bytes, count, 2);
        eprintln!("{}: {good} of {count} still read", path.display());
    }
}

#[test]
fn files_of_tiny_messages_are_refused_before_they_are_decoded() {
    let lists =
        [(1_u8, "nodes"), (5, "initializers"), (11, "inputs"), (12, "outputs"), (13, "declared values")];
    let mut file = TestFile::small();
    file.model.functions = vec![prost::bytes::Bytes::new(); 1 << 18];
    let error = import(&file.bytes()).unwrap_err();
    assert_eq!(error.to_string(), "This network has 262144 functions; Bitlens reads at most 131072.");
    for (field, what) in lists {
        // One repeated field, two bytes per message.
        let graph: Vec<u8> = std::iter::repeat_n([field << 3 | 2, 0], 1 << 20).flatten().collect();
        let mut file = TestFile::small();
        file.model.graph = Some(graph.into());
        let error = import(&prost::Message::encode_to_vec(&file.model)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("This network has 1048576 {what}; Bitlens reads at most 131072.")
        );
    }
}
