//! What layers see, as sums of products: `X·Xᵀ` of a sample of the columns that a layer multiplies with its
//! weights.
//!
//! Of all pictures together at most [`MOST_COLUMNS`] columns are taken of each weight, the same number of
//! each picture, at places that are spread evenly over the output and within that by chance. Which they are
//! depends on the seed, the number of the layer and that of the picture alone. Sums are made in the order
//! in which pictures come; whoever wants the same bits gives them in the same order.
//!
//! **Memory.** A weight with `K` terms in `g` groups takes `g·K·(K + 1)/2` numbers, of 4 bytes, or of 8
//! where `K` is small. Weights are looked at together as long as that is at most [`MEMORY`], and what does
//! not fit waits for another look at the pictures.

use super::curvature::Curvature;
use crate::ops::{Columns, Isa, add_products};
use crate::quant::QuantError;
use ndarray::Array2;

/// Columns of a weight's inputs, of all pictures together.
pub const MOST_COLUMNS: usize = 4096;

/// Bytes of all sums that are made at the same time.
pub const MEMORY: usize = 64 << 20;

/// Up to so many terms, products are summed one by one in f64; more terms have a kernel do it.
const FEW_TERMS: usize = 32;

/// Columns that are laid out for the kernel at a time.
const CHUNK: usize = 256;

/// The bytes that the sums of a weight take.
pub fn bytes(terms: usize, groups: usize) -> usize {
    let number = if terms <= FEW_TERMS { size_of::<f64>() } else { size_of::<f32>() };
    triangle(terms).saturating_mul(groups).saturating_mul(number)
}

fn triangle(terms: usize) -> usize {
    terms.saturating_mul(terms + 1) / 2
}

/// Sums on and above the diagonal, row after row.
#[derive(Debug, Clone, PartialEq)]
enum Sums {
    Few(Vec<f64>),
    Many(Vec<f32>),
}

impl Sums {
    fn new(terms: usize) -> Self {
        let count = triangle(terms);
        if terms <= FEW_TERMS { Self::Few(vec![0.0; count]) } else { Self::Many(vec![0.0; count]) }
    }

    fn add(&mut self, isa: Isa, columns: &[f32], terms: usize) -> Result<(), QuantError> {
        match self {
            Self::Many(sums) => Ok(add_products(isa, columns, terms, sums)?),
            Self::Few(sums) => {
                for column in columns.chunks_exact(terms.max(1)) {
                    let mut rest = &mut sums[..];
                    for (row, &own) in column.iter().enumerate() {
                        let (of_row, below) =
                            std::mem::take(&mut rest).split_at_mut_checked(terms - row).unwrap_or_default();
                        for (sum, &other) in of_row.iter_mut().zip(&column[row..]) {
                            *sum += f64::from(own) * f64::from(other);
                        }
                        rest = below;
                    }
                }
                Ok(())
            }
        }
    }

    fn matrix(&self, terms: usize) -> Array2<f64> {
        let mut matrix = Array2::zeros((terms, terms));
        let pairs = (0..terms).flat_map(|row| (row..terms).map(move |other| (row, other)));
        for (at, place) in pairs.enumerate() {
            matrix[place] = match self {
                Self::Few(sums) => sums[at],
                Self::Many(sums) => f64::from(sums[at]),
            };
        }
        matrix
    }
}

/// The second moments of a weight's inputs, group by group.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    terms: usize,
    groups: Vec<Sums>,
    columns: usize,
}

impl Moments {
    /// Nothing seen yet.
    pub fn new(terms: usize, groups: usize) -> Self {
        Self { terms, groups: (0..groups).map(|_| Sums::new(terms)).collect(), columns: 0 }
    }

    /// Columns so far.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Takes in the columns at some places; `false`, and nothing is taken in, where they are not of this
    /// weight.
    ///
    /// # Errors
    /// [`QuantError::Operator`] where the kernel refuses.
    pub fn add(&mut self, isa: Isa, from: &Columns<'_>, places: &[usize]) -> Result<bool, QuantError> {
        if (from.terms(), from.groups()) != (self.terms, self.groups.len()) {
            return Ok(false);
        }
        let mut columns = vec![0.0; CHUNK.min(places.len()) * self.terms];
        for chunk in places.chunks(CHUNK) {
            let columns = &mut columns[..chunk.len() * self.terms];
            for (group, sums) in self.groups.iter_mut().enumerate() {
                let rows = columns.chunks_exact_mut(self.terms.max(1));
                rows.zip(chunk).for_each(|(row, &place)| from.read(place, group, row));
                sums.add(isa, columns, self.terms)?;
            }
        }
        self.columns += places.len();
        Ok(true)
    }

    /// `H` of each group; `None` for one whose inputs were always zero.
    ///
    /// # Errors
    /// The sum that is not finite.
    pub fn curvatures(self) -> Result<Vec<Option<Curvature>>, f64> {
        let of = |sums: Sums| {
            let matrix = sums.matrix(self.terms);
            match matrix.iter().find(|sum| !sum.is_finite()) {
                Some(&sum) => Err(sum),
                None => Ok(Curvature::damped(matrix, self.columns)),
            }
        };
        self.groups.into_iter().map(of).collect()
    }
}

/// Which places of an output are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Sampling {
    /// What chance depends on.
    pub seed: u64,
    /// Number of the layer.
    pub layer: usize,
    /// Columns of all pictures together.
    pub columns: usize,
    /// Pictures in all.
    pub pictures: usize,
}

impl Sampling {
    /// Those of the picture of that number, of that many places.
    pub fn places(&self, picture: usize, places: usize) -> Vec<usize> {
        let before = |pictures: usize| pictures * self.columns / self.pictures.max(1);
        let wanted = before(picture + 1) - before(picture);
        if wanted >= places {
            return (0..places).collect();
        }
        let seed = [self.layer, picture].iter().fold(self.seed, |seed, &n| mixed(seed ^ mixed(n as u64)));
        let pick = |number: usize| {
            let [from, to] = [number, number + 1].map(|n| n * places / wanted);
            from + (mixed(seed.wrapping_add(number as u64)) % (to - from).max(1) as u64) as usize
        };
        (0..wanted).map(pick).collect()
    }
}

/// A number that looks like chance (the step of SplitMix64).
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::{Conv, Op, Window};
    use crate::quant::observe::testing::Random;
    use crate::tensor::Value;

    #[test]
    fn all_pictures_have_their_share_of_the_columns() {
        for (pictures, places) in [(1, 9000), (7, 5000), (128, 1024), (5000, 3)] {
            let sampling = Sampling { seed: 1, layer: 4, columns: MOST_COLUMNS, pictures };
            let counts: Vec<_> = (0..pictures).map(|p| sampling.places(p, places).len()).collect();
            assert_eq!(counts.iter().sum::<usize>(), MOST_COLUMNS);
            let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
            assert!(most - least <= 1, "{pictures}: {least} to {most}");
        }
        // Fewer places than columns: each once.
        let sampling = Sampling { seed: 1, layer: 0, columns: MOST_COLUMNS, pictures: 8 };
        assert_eq!(sampling.places(3, 64), (0..64).collect::<Vec<_>>());
    }

    #[test]
    fn places_are_spread_and_differ_between_pictures_layers_and_seeds() {
        let sampling = Sampling { seed: 1, layer: 0, columns: 640, pictures: 10 };
        let found = sampling.places(2, 6400);
        assert!(found.iter().enumerate().all(|(at, place)| place / 100 == at), "{found:?}");
        assert_eq!(found, sampling.places(2, 6400));
        assert_ne!(found, sampling.places(3, 6400));
        assert_ne!(found, Sampling { seed: 2, ..sampling }.places(2, 6400));
        assert_ne!(found, Sampling { layer: 1, ..sampling }.places(2, 6400));
        // Within its hundredth each place is as likely as any other: the mean of 4000 is within three
        // deviations of the mean, 28.9 / √4000 each.
        let of = |layer| Sampling { layer, ..sampling }.places(0, 6400);
        let offsets: Vec<_> = (0..63).flat_map(of).map(|place| (place % 100) as f64).collect();
        let mean = offsets.iter().sum::<f64>() / offsets.len() as f64;
        assert!((mean - 49.5).abs() < 3.0 * 28.9 / 4032_f64.sqrt(), "{mean}");
    }

    #[test]
    fn moments_are_those_of_the_columns_in_either_precision() {
        for (channels, groups) in [(4, 1), (40, 1), (80, 2), (3, 3)] {
            let input = Random::new(6).gaussians(2 * channels * 30);
            let input = Value::from_vec(&[2, channels, 5, 6], input).unwrap();
            let conv = Op::from(Conv { window: Window::default(), groups, clamp: None });
            let columns = conv.columns(&input, &[groups, channels / groups, 1, 1]).unwrap();
            let mut moments = Moments::new(channels / groups, groups);
            let places: Vec<usize> = (0..60).collect();
            assert!(moments.add(Isa::Portable, &columns, &places[..23]).unwrap());
            assert!(moments.add(Isa::Portable, &columns, &places[23..]).unwrap());
            let found = moments.clone().curvatures().unwrap();
            let x = input.as_slice::<f32>().unwrap();
            for (group, found) in found.iter().enumerate() {
                let at = |channel: usize, place: usize| {
                    let channel = place / 30 * channels + group * channels / groups + channel;
                    f64::from(x[channel * 30 + place % 30])
                };
                let sums = Array2::from_shape_fn([channels / groups; 2], |(i, j)| {
                    (0..60).map(|p| at(i, p) * at(j, p)).sum::<f64>()
                });
                let expected = Curvature::damped(sums, 60).unwrap();
                let found = found.as_ref().unwrap();
                for row in 0..found.terms() {
                    let pairs = found.row(row).iter().zip(expected.row(row));
                    // 61 roundings of sums in f32 of numbers that are below 12.
                    pairs.for_each(|(a, b)| assert!((a - b).abs() < 61.0 * 12.0 * 6e-8, "{a} {b}"));
                }
            }
            assert!(!Moments::new(channels, groups + 1).add(Isa::Portable, &columns, &places).unwrap());
        }
    }

    #[test]
    fn a_group_that_sees_zeros_has_no_curvature_and_infinity_is_told() {
        let conv = Op::from(Conv { window: Window::default(), groups: 2, clamp: None });
        let moments = |x: [f32; 2]| {
            let input = Value::from_vec(&[1, 2, 1, 1], x.to_vec()).unwrap();
            let mut moments = Moments::new(1, 2);
            let columns = conv.columns(&input, &[2, 1, 1, 1]).unwrap();
            assert!(moments.add(Isa::Portable, &columns, &[0]).unwrap());
            moments.curvatures()
        };
        let found = moments([0.0, 2.0]).unwrap();
        assert!(found[0].is_none() && found[1].is_some());
        assert_eq!(moments([1.0, f32::INFINITY]), Err(f64::INFINITY));
    }
}
