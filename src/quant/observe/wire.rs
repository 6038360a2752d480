//! What crosses between workers: a row is bytes, since as separate numbers it would be large and slow.
//!
//! ```text
//! row        runs: number, then f32 min, f32 max of each, little-endian
//!            0, or 1 and a histogram
//! histogram  exponent of the width + 126; zeros; positive bins; negative bins
//! bins       counts, in order; 0 is followed by how many bins in a row are empty
//! number     7 bits a byte, lowest first, the top bit where another byte follows
//! ```
//!
//! What is read is checked: it cannot be larger than it says, nor be what counting never makes.

use super::histogram::{BINS, Histogram, LARGEST_EXPONENT, LEAST_EXPONENT};
use super::{Extremes, Observed, Statistics};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Counts beyond this are not made by looking at pictures.
const LARGEST_COUNT: u64 = 1 << 48;

/// Statistics whose rows may not belong together.
#[derive(Deserialize)]
pub(super) struct Unchecked {
    pictures: Vec<usize>,
    rows: Vec<Option<Observed>>,
}

impl TryFrom<Unchecked> for Statistics {
    type Error = &'static str;

    fn try_from(Unchecked { pictures, rows }: Unchecked) -> Result<Self, Self::Error> {
        if !pictures.is_sorted() {
            return Err("the pictures of these statistics are not in order");
        }
        if rows.iter().flatten().any(|row| row.runs.len() != pictures.len()) {
            return Err("these statistics do not have extremes of every picture");
        }
        Ok(Self { pictures, rows })
    }
}

impl Serialize for Observed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&written(self))
    }
}

impl<'de> Deserialize<'de> for Observed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Bytes)
    }
}

struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Observed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what calibration found of a tensor, as bytes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Observed, E> {
        let mut reader = Reader(bytes);
        let read = reader.observed().filter(|_| reader.0.is_empty());
        read.ok_or_else(|| E::custom("this is not what calibration finds of a tensor"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Observed, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = seq.next_element()? {
            bytes.push(byte);
        }
        self.visit_bytes(&bytes)
    }
}

fn written(seen: &Observed) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_number(&mut bytes, seen.runs.len() as u64);
    for run in &seen.runs {
        bytes.extend(run.min.to_le_bytes());
        bytes.extend(run.max.to_le_bytes());
    }
    let Some(histogram) = &seen.histogram else {
        bytes.push(0);
        return bytes;
    };
    bytes.push(1);
    write_number(&mut bytes, (histogram.exponent() - LEAST_EXPONENT) as u64);
    write_number(&mut bytes, histogram.zeros());
    write_bins(&mut bytes, histogram.positive());
    write_bins(&mut bytes, histogram.negative());
    bytes
}

fn write_bins(bytes: &mut Vec<u8>, counts: &[u64]) {
    let mut at = 0;
    while at < BINS {
        let empty = counts.get(at..).unwrap_or_default().iter().take_while(|&&count| count == 0).count();
        match counts.get(at + empty) {
            Some(&count) if empty == 0 => {
                write_number(bytes, count);
                at += 1;
            }
            found => {
                let empty = if found.is_some() { empty } else { BINS - at };
                bytes.push(0);
                write_number(bytes, empty as u64);
                at += empty;
            }
        }
    }
}

fn write_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn observed(&mut self) -> Option<Observed> {
        let count = usize::try_from(self.number()?).ok()?;
        let (runs, rest) = self.0.split_at_checked(count.checked_mul(8)?)?;
        self.0 = rest;
        let (runs, _) = runs.as_chunks::<4>();
        let (runs, _) = runs.as_chunks::<2>();
        let run = |[min, max]: &[[u8; 4]; 2]| Extremes {
            min: f32::from_le_bytes(*min),
            max: f32::from_le_bytes(*max),
        };
        let runs = runs.iter().map(run).collect();
        let histogram = match self.number()? {
            0 => None,
            1 => Some(self.histogram()?),
            _ => return None,
        };
        Some(Observed { runs, histogram })
    }

    fn histogram(&mut self) -> Option<Histogram> {
        let exponent = i32::try_from(self.number()?).ok()?.checked_add(LEAST_EXPONENT)?;
        let zeros = self.number()?;
        let sides = [self.bins()?, self.bins()?];
        let total = sides.iter().flatten().try_fold(zeros, |sum, &count| sum.checked_add(count))?;
        let possible = exponent <= LARGEST_EXPONENT && total <= LARGEST_COUNT;
        possible.then(|| Histogram::from_parts(exponent, zeros, sides))
    }

    /// [`BINS`] counts, or none where all are empty.
    fn bins(&mut self) -> Option<Vec<u64>> {
        let mut counts = Vec::new();
        while counts.len() < BINS {
            match self.number()? {
                0 => {
                    let empty = usize::try_from(self.number()?).ok()?;
                    let end = counts.len().checked_add(empty).filter(|&end| empty > 0 && end <= BINS)?;
                    counts.resize(end, 0);
                }
                count => counts.push(count),
            }
        }
        let any = counts.iter().any(|&count| count > 0);
        Some(if any { counts } else { Vec::new() })
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for place in 0..9 {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}
