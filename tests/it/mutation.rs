//! Damaged files: nothing panics, hangs or takes much memory while a network is read and made ready.

use bitlens::onnx::{ExportOptions, export, import};
use bitlens::passes;
use bitlens::tensor::Value;

use crate::allocation::peak_of;
use crate::golden::Golden;
use crate::support::data_folder;

/// What reading a damaged file and simplifying its network may take beside the file: the networks here
/// are made of kilobytes.
const MOST_BYTES: usize = 16 << 20;

/// How many times as many damaged files as usual: `BITLENS_DAMAGE=10` looks ten times as long, at more of
/// the same sequence.
fn times() -> usize {
    std::env::var("BITLENS_DAMAGE").map_or(1, |text| text.parse().expect("BITLENS_DAMAGE is a number"))
}

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

/// What became of damaged forms of a file.
#[derive(Default)]
struct Survived {
    /// Those that were read, and those of them that were made ready.
    read: usize,
    ready: usize,
    /// Most bytes that one took.
    peak: usize,
}

/// Reads `count` damaged forms of a file, simplifies what can be read and writes it again.
fn survive(original: &[u8], count: usize, seed: u64) -> Survived {
    let mut random = Random(seed);
    let mut survived = Survived::default();
    for round in 0..count {
        let bytes = mutate(original, &mut random);
        let (imported, import_peak) = peak_of(|| import(&bytes));
        match imported {
            Ok(imported) => {
                survived.read += 1;
                // float16 doubles, a list of single-byte numbers becomes eight bytes each.
                let constants = imported.graph.values().filter_map(|(_, v)| v.constant.as_ref());
                let held: usize = constants.map(Value::size_bytes).sum();
                assert!(held <= 8 * bytes.len(), "round {round} holds {held} of {} bytes", bytes.len());
                let (simple, peak) = peak_of(|| passes::simplify(&imported.graph));
                assert!(peak <= MOST_BYTES, "round {round} takes {peak} bytes to simplify");
                survived.peak = survived.peak.max(peak);
                match simple {
                    // What is ready must write, or say why not.
                    Ok(simple) => {
                        survived.ready += 1;
                        let _ = export(&simple, &ExportOptions::default());
                    }
                    Err(error) => assert!(!error.to_string().is_empty()),
                }
            }
            Err(error) => {
                assert!(error.code().starts_with("onnx/"));
                assert!(!error.to_string().is_empty());
            }
        }
        assert!(import_peak <= MOST_BYTES, "round {round} takes {import_peak} bytes to read");
        survived.peak = survived.peak.max(import_peak);
    }
    survived
}

/// As [`survive`], with the outcome printed and in a plausible range: damage inside a weight, a name or
/// a text stays unseen; most is found.
fn golden(name: &str, count: usize) {
    let count = count * times();
    let case = Golden::all().into_iter().find(|case| case.name == name).expect("the case exists");
    let Survived { read, ready, peak } = survive(&case.model(), count, 1);
    println!("{name}: of {count} damaged files {read} are read, {ready} made ready; {peak} bytes at most");
    assert!((count / 50..count * 9 / 10).contains(&read) && ready > 0, "{read} of {count} were read");
}

#[test]
fn damaged_files_of_an_older_exporter_are_survived() {
    golden("efficientnet_torchscript", 5_000);
}

#[test]
fn damaged_files_of_a_newer_exporter_are_survived() {
    golden("shufflenet_dynamo", 5_000);
}

#[test]
fn damaged_files_of_a_transformer_are_survived() {
    golden("vit_dynamo", 1_000);
}

#[test]
fn damaged_files_of_codes_are_survived() {
    golden("codes_conv_pool_matmul", 10_000);
}

#[test]
fn damaged_functions_are_survived() {
    golden("function_nested", 6_000);
}

#[test]
fn damaged_real_networks_are_survived() {
    let Some(data) = data_folder() else { return };
    for path in crate::files_below(data.join("models").to_str().unwrap(), &["onnx"]) {
        let bytes = std::fs::read(&path).unwrap();
        // The same work for each file, whatever its size: 5,000 for the smallest.
        let count = (150_000_000 / bytes.len()).clamp(20, 5_000) * times();
        let mut random = Random(2);
        let good = (0..count).filter(|_| import(&mutate(&bytes, &mut random)).is_ok()).count();
        println!("{}: {good} of {count} are read", path.display());
    }
}
