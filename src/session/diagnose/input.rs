//! Are the pictures prepared as the network was trained?
//!
//! Nobody can see that from the network's file, but the network shows it: prepared wrongly, it knows less
//! about its pictures. So other usual ways to prepare the same pixels are tried in full precision, with red
//! and blue exchanged and without. Each picture is scored: where a label says what is right, by the logarithm
//! of its probability; without labels by
//!
//! ```text
//! ln p(a | moved picture) − ln p(a)      a the first answer to the picture
//! ```
//!
//! with `p(a)` the mean over all pictures: an answer that survives moving the picture by a few pixels, and
//! is not the answer to everything, says something about the picture. Another way is called better where a
//! sign test over the pictures leaves less than one chance in a hundred, all ways counted, and the mean score
//! rises by more than [`LEAST_GAIN`]. A way that is no better on the first pictures is given up, which can
//! only overlook one.

use super::super::reference::Reference;
use crate::attribution::Model;
use crate::data::Preprocess;
use crate::data::preprocess::{ChannelOrder, IMAGENET_MEAN, IMAGENET_STD, Layout};
use crate::exec::ExecError;
use crate::metrics::{softmax, top_1};
use crate::session::SessionError;
use crate::session::view::InputEffect;
use crate::tensor::{Value, sorted};

/// Most pictures that are looked at.
const MOST_PICTURES: usize = 256;

/// A way that is no better than the one in force on so many pictures is not looked at further.
const SCREENED: usize = 16;

/// Fewest pictures that say anything.
const FEWEST_PICTURES: usize = 8;

/// Probabilities below this count as this: one picture must not outweigh all others.
const LEAST_PROBABILITY: f64 = 1e-3;

/// Differences of scores below this count as none.
const SAME: f64 = 0.02;

/// Least rise of the mean score in nats that is worth a word.
const LEAST_GAIN: f64 = 0.15;

/// Chance that a way which is not better is called better.
const CHANCE: f64 = 0.01;

/// A way to prepare pixels of 0 to 255: `(pixel · factor − mean) / std`, in the order red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Way {
    name: &'static str,
    factor: f32,
    mean: [f32; 3],
    std: [f32; 3],
}

const RGB_WAYS: [Way; 5] = [
    Way { name: "0 to 1", factor: 1.0 / 255.0, mean: [0.0; 3], std: [1.0; 3] },
    Way { name: "−1 to 1", factor: 1.0 / 255.0, mean: [0.5; 3], std: [0.5; 3] },
    Way {
        name: "mean and deviation of ImageNet",
        factor: 1.0 / 255.0,
        mean: IMAGENET_MEAN,
        std: IMAGENET_STD,
    },
    Way { name: "0 to 255", factor: 1.0, mean: [0.0; 3], std: [1.0; 3] },
    Way {
        name: "0 to 255 less the mean of ImageNet",
        factor: 1.0,
        mean: [123.0, 117.0, 104.0],
        std: [1.0; 3],
    },
];

const GREY_WAYS: [Way; 4] = [
    Way { name: "0 to 1", factor: 1.0 / 255.0, mean: [0.0; 3], std: [1.0; 3] },
    Way { name: "−1 to 1", factor: 1.0 / 255.0, mean: [0.5; 3], std: [0.5; 3] },
    Way { name: "mean and deviation of MNIST", factor: 1.0 / 255.0, mean: [0.1307; 3], std: [0.3081; 3] },
    Way { name: "0 to 255", factor: 1.0, mean: [0.0; 3], std: [1.0; 3] },
];

/// What another way changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    Range,
    Order,
    Both,
}

/// One way being tried.
#[derive(Debug, Clone)]
struct Candidate {
    /// What it is called; nothing for the way in force.
    name: String,
    preprocess: Preprocess,
    answers: Vec<Answer>,
}

/// What full precision says of a picture.
#[derive(Debug, Clone)]
struct Answer {
    probabilities: Vec<f64>,
    /// Of the picture moved, where labels do not say what is right.
    moved: Option<Vec<f64>>,
}

/// Another way that is better.
#[derive(Debug, Clone)]
pub(super) struct Better {
    pub(super) name: String,
    pub(super) preprocess: Preprocess,
    pub(super) is_order: bool,
    pub(super) after: InputEffect,
    /// Pictures that it is better on, and those that it is worse on.
    pub(super) pictures: [usize; 2],
}

/// The check under way.
#[derive(Debug)]
pub(super) struct InputCheck {
    candidates: Vec<Candidate>,
    /// What is right.
    expected: Vec<Option<usize>>,
    /// The way that is looked at.
    at: usize,
}

impl InputCheck {
    /// Of the first pictures.
    pub(super) fn new(preprocess: &Preprocess, reference: &Reference) -> Self {
        let mut candidates = vec![Candidate::new(String::new(), preprocess.clone())];
        let known = reference.pictures.iter().take(MOST_PICTURES);
        let expected: Vec<Option<usize>> = known.map(|picture| picture.expected).collect();
        if expected.len() >= FEWEST_PICTURES {
            candidates
                .extend(others(preprocess).into_iter().map(|(name, other)| Candidate::new(name, other)));
        }
        Self { candidates, expected, at: 0 }
    }

    /// How many answers there are to get, ways that were given up not counted.
    pub(super) fn total(&self) -> usize {
        let given_up: usize = self.candidates.iter().take(self.at).map(|way| way.answers.len()).sum();
        given_up + (self.candidates.len() - self.at) * self.expected.len()
    }

    /// The next picture in the next way; how many are done, nothing when all are.
    ///
    /// # Errors
    /// When a picture cannot be read or a node fails.
    pub(super) fn step(
        &mut self,
        reference: &mut Reference,
        full: &Model,
    ) -> Result<Option<usize>, SessionError> {
        let own = self.candidates[0].preprocess.clone();
        let is_labelled = is_labelled(&self.expected);
        let Some(candidate) = self.candidates.get_mut(self.at) else { return Ok(None) };
        let position = candidate.answers.len();
        if position == reference.pictures.len() {
            return Ok(None);
        }
        let input = reference.input(position)?;
        let answer = |value| Ok::<_, SessionError>(softmax(&full.scores(value)?).unwrap_or_default());
        let is_own = self.at == 0;
        let input = if is_own { input } else { prepared(&input, &own, &candidate.preprocess)? };
        let moved = if is_labelled { None } else { Some(answer(moved(&input, own.layout)?)?) };
        // What is in force was asked for already.
        let probabilities = if is_own {
            softmax(&reference.pictures[position].logits).unwrap_or_default()
        } else {
            answer(input)?
        };
        candidate.answers.push(Answer { probabilities, moved });
        if self.is_over() {
            self.at += 1;
        }
        Ok(Some(self.candidates.iter().map(|way| way.answers.len()).sum()))
    }

    /// Whether the way that is looked at was seen on all pictures, or is no better than the one in force.
    fn is_over(&self) -> bool {
        let (own, at) = (&self.candidates[0], &self.candidates[self.at]);
        let seen = at.answers.len();
        let sum = |way: &Candidate| way.scores(seen, &self.expected).iter().sum::<f64>();
        seen == self.expected.len() || (self.at > 0 && seen == SCREENED && sum(at) <= sum(own))
    }

    /// What full precision says as pictures are prepared now.
    pub(super) fn now(&self) -> InputEffect {
        self.candidates[0].effect(&self.expected)
    }

    /// Logarithm of the number of classes, and the mean entropy of answers: how undecided they are.
    pub(super) fn entropy(&self) -> [f64; 2] {
        let answers = &self.candidates[0].answers;
        let entropy = |p: &[f64]| -p.iter().filter(|&&p| p > 0.0).map(|&p| p * libm::log(p)).sum::<f64>();
        let sum: f64 = answers.iter().map(|answer| entropy(&answer.probabilities)).sum();
        let classes = answers.first().map_or(1, |answer| answer.probabilities.len());
        [libm::log(classes as f64), sum / answers.len().max(1) as f64]
    }

    /// The best of the ways that are better than the one in force. One that changes more must be better than the
    /// best that changes less: without labels, a network that hardly looks at colours likes either order.
    pub(super) fn better(&self) -> Option<Better> {
        let (own, others) = self.candidates.split_first()?;
        let mut best: Option<&Candidate> = None;
        for change in [Extent::Range, Extent::Order, Extent::Both] {
            let than = best.unwrap_or(own);
            let ways = others.iter().filter(|way| way.extent(own) == change && self.gain(way, own).is_some());
            let better = ways.filter_map(|way| Some((self.gain(way, than)?.0, way)));
            best = better.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, way)| way).or(best);
        }
        let way = best?;
        let (_, pictures) = self.gain(way, own)?;
        let (is_order, after) = (way.extent(own) != Extent::Range, way.effect(&self.expected));
        let (name, preprocess) = (way.name.clone(), way.preprocess.clone());
        Some(Better { name, preprocess, is_order, after, pictures })
    }

    /// By how many nats a way is better than another, and on how many pictures it is better and worse; nothing
    /// where it is not, or where that may be chance.
    fn gain(&self, way: &Candidate, than: &Candidate) -> Option<(f64, [usize; 2])> {
        let pictures = self.expected.len();
        if way.answers.len() < pictures {
            return None;
        }
        let scores = [way, than].map(|way| way.scores(pictures, &self.expected));
        let differences: Vec<f64> = scores[0].iter().zip(&scores[1]).map(|(new, old)| new - old).collect();
        let gain = differences.iter().sum::<f64>() / differences.len().max(1) as f64;
        let up = differences.iter().filter(|&&d| d > SAME).count();
        let down = differences.iter().filter(|&&d| d < -SAME).count();
        let chance = tail(up, up + down) * (self.candidates.len() - 1) as f64;
        (gain >= LEAST_GAIN && chance <= CHANCE).then_some((gain, [up, down]))
    }
}

impl Candidate {
    fn new(name: String, preprocess: Preprocess) -> Self {
        Self { name, preprocess, answers: Vec::new() }
    }

    /// What it changes of the way in force.
    fn extent(&self, own: &Self) -> Extent {
        match () {
            () if self.preprocess.channel_order == own.preprocess.channel_order => Extent::Range,
            () if same(&self.preprocess, &exchanged(&own.preprocess)) => Extent::Order,
            () => Extent::Both,
        }
    }

    /// The score of each of the first pictures.
    fn scores(&self, pictures: usize, expected: &[Option<usize>]) -> Vec<f64> {
        let is_labelled = is_labelled(expected);
        let ln = |p: Option<&f64>| libm::log(p.copied().unwrap_or(0.0).max(LEAST_PROBABILITY));
        let answers = &self.answers[..pictures.min(self.answers.len())];
        let mean = |class: usize| -> f64 {
            let all = answers.iter().flat_map(|answer| [Some(&answer.probabilities), answer.moved.as_ref()]);
            let of: Vec<f64> = all.flatten().filter_map(|p| p.get(class)).copied().collect();
            of.iter().sum::<f64>() / of.len().max(1) as f64
        };
        let score = |(answer, expected): (&Answer, &Option<usize>)| match (expected, &answer.moved) {
            (Some(class), _) if is_labelled => ln(answer.probabilities.get(*class)),
            (_, Some(moved)) => first(&answer.probabilities)
                .map_or(0.0, |class| ln(moved.get(class)) - ln(Some(&mean(class)))),
            _ => 0.0,
        };
        answers.iter().zip(expected).map(score).collect()
    }

    fn effect(&self, expected: &[Option<usize>]) -> InputEffect {
        let images = self.answers.len();
        let firsts: Vec<Option<usize>> =
            self.answers.iter().map(|answer| first(&answer.probabilities)).collect();
        let mut distinct = sorted(&firsts);
        distinct.dedup();
        let labelled = firsts.iter().zip(expected).filter(|(_, expected)| expected.is_some());
        let right = labelled.clone().filter(|(first, expected)| first == expected).count();
        let labelled = labelled.count();
        let confidence =
            self.answers.iter().map(|answer| answer.probabilities.iter().copied().fold(0.0, f64::max));
        let mean = |sum: f64| sum / images.max(1) as f64;
        InputEffect {
            images,
            top1: (labelled > 0).then(|| right as f64 / labelled as f64),
            confidence: mean(confidence.sum()),
            answers: distinct.len(),
            information: mean(self.scores(images, expected).iter().sum()),
        }
    }
}

/// Whether most pictures have a label: then only labels count.
fn is_labelled(expected: &[Option<usize>]) -> bool {
    expected.iter().flatten().count() * 2 > expected.len()
}

fn first(probabilities: &[f64]) -> Option<usize> {
    let narrow: Vec<f32> = probabilities.iter().map(|&p| p as f32).collect();
    top_1(&narrow)
}

/// The chance that of `all` coins at least `heads` show heads.
fn tail(heads: usize, all: usize) -> f64 {
    let mut term = libm::exp2(-(all as f64));
    let mut sum = 0.0;
    for k in 0..=all {
        if k >= heads {
            sum += term;
        }
        term *= (all - k) as f64 / (k + 1) as f64;
    }
    sum.min(1.0)
}

/// The usual ways that are not the one in force.
fn others(own: &Preprocess) -> Vec<(String, Preprocess)> {
    if own.channel_order == ChannelOrder::Grey {
        let others = GREY_WAYS.iter().map(|way| (way.name.to_owned(), way.of(own, ChannelOrder::Grey)));
        return others.filter(|(_, other)| !same(other, own)).collect();
    }
    let orders = [ChannelOrder::Rgb, ChannelOrder::Bgr];
    let mut found = vec![("red and blue exchanged".to_owned(), exchanged(own))];
    for order in orders {
        for way in &RGB_WAYS {
            let name = if order == own.channel_order {
                way.name.to_owned()
            } else {
                format!("{}, red and blue exchanged", way.name)
            };
            found.push((name, way.of(own, order)));
        }
    }
    let mut kept: Vec<(String, Preprocess)> = Vec::new();
    for (name, other) in found {
        if !same(&other, own) && !kept.iter().any(|(_, before)| same(before, &other)) {
            kept.push((name, other));
        }
    }
    kept
}

impl Way {
    fn of(&self, own: &Preprocess, order: ChannelOrder) -> Preprocess {
        let in_order = |mut values: [f32; 3]| {
            if order == ChannelOrder::Bgr {
                values.reverse();
            }
            values[..order.channels()].to_vec()
        };
        Preprocess {
            rescale_factor: self.factor,
            mean: in_order(self.mean),
            std: in_order(self.std),
            channel_order: order,
            ..own.clone()
        }
    }
}

/// The same numbers for each colour, in the other order.
fn exchanged(own: &Preprocess) -> Preprocess {
    let reversed = |values: &[f32]| values.iter().rev().copied().collect::<Vec<_>>();
    let order = match own.channel_order {
        ChannelOrder::Rgb => ChannelOrder::Bgr,
        ChannelOrder::Bgr => ChannelOrder::Rgb,
        ChannelOrder::Grey => ChannelOrder::Grey,
    };
    Preprocess { mean: reversed(&own.mean), std: reversed(&own.std), channel_order: order, ..own.clone() }
}

/// Factor and summand of a channel: `pixel · factor + summand`.
fn line(of: &Preprocess, channel: usize) -> [f64; 2] {
    let at = |values: &[f32], absent: f32| {
        f64::from(values.get(channel).or(values.first()).copied().unwrap_or(absent))
    };
    let (mean, std) = (at(&of.mean, 0.0), at(&of.std, 1.0));
    [f64::from(of.rescale_factor) / std, -mean / std]
}

/// Whether two ways give nearly the same numbers.
fn same(a: &Preprocess, b: &Preprocess) -> bool {
    let close = |channel: usize| {
        let (a, b) = (line(a, channel), line(b, channel));
        let ends = [0.0, 255.0].map(|pixel| (a[0] * pixel + a[1]) - (b[0] * pixel + b[1]));
        ends.iter().all(|difference| difference.abs() < 0.02 * 255.0 * a[0].abs().max(b[0].abs()))
    };
    a.channel_order == b.channel_order && (0..a.channel_order.channels()).all(close)
}

/// The axes of an input: how many channels, and the elements of a channel that lie together.
fn planes(input: &Value, layout: Layout) -> (usize, usize) {
    match (input.shape(), layout) {
        (&[_, c, h, w], Layout::Nchw) => (c, h * w),
        (&[_, _, _, c], Layout::Nhwc) => (c, 1),
        _ => (1, input.len()),
    }
}

/// A picture that was prepared in one way, in another: both are linear in the pixels.
fn prepared(input: &Value, own: &Preprocess, other: &Preprocess) -> Result<Value, SessionError> {
    let data = input.as_slice::<f32>().map_err(ExecError::from)?;
    let (channels, run) = planes(input, own.layout);
    let is_exchanged = own.channel_order != other.channel_order;
    let sources = (0..channels).map(|to| if is_exchanged { channels - 1 - to } else { to });
    let lines: Vec<_> =
        sources.enumerate().map(|(to, from)| (from, line(own, from), line(other, to))).collect();
    let mut result = vec![0.0_f32; data.len()];
    for (at, slots) in result.chunks_mut(run.max(1)).enumerate() {
        let to = at % channels;
        let (from, [factor, summand], [new_factor, new_summand]) = lines[to];
        // The same places in the other plane.
        let pixels = &data[(at - to + from) * run..];
        for (slot, &value) in slots.iter_mut().zip(pixels) {
            let pixel = ((f64::from(value) - summand) / factor).clamp(0.0, 255.0);
            *slot = (pixel * new_factor + new_summand) as f32;
        }
    }
    Ok(Value::from_vec(input.shape(), result).map_err(ExecError::from)?)
}

/// A picture moved to the right by a sixteenth of its width; its left edge is repeated.
fn moved(input: &Value, layout: Layout) -> Result<Value, SessionError> {
    let data = input.as_slice::<f32>().map_err(ExecError::from)?;
    let (width, together) = match (input.shape(), layout) {
        (&[_, _, _, w], Layout::Nchw) => (w, 1),
        (&[_, _, w, c], Layout::Nhwc) => (w, c),
        _ => (1, 1),
    };
    let by = (width / 16).max(1);
    let source = |at: usize| {
        let (row, column) = (at / (width * together), at / together % width);
        (row * width + column.saturating_sub(by)) * together + at % together
    };
    let result = (0..data.len()).map(|at| data[source(at)]).collect();
    Ok(Value::from_vec(input.shape(), result).map_err(ExecError::from)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Picture;

    fn value(preprocess: &Preprocess, picture: &Picture) -> Value {
        let made = preprocess.apply(picture).unwrap();
        let [a, b, c] = made.shape;
        Value::from_vec(&[1, a, b, c], made.data).unwrap()
    }

    #[test]
    fn pictures_prepared_anew_are_those_prepared_from_the_pixels() {
        let rgb: Vec<u8> = (0..4 * 3 * 3).map(|i| (i * 53 % 256) as u8).collect();
        let picture = Picture::from_rgb("p", 4, 3, rgb).unwrap();
        for layout in [Layout::Nchw, Layout::Nhwc] {
            let own = Preprocess {
                mean: IMAGENET_MEAN.to_vec(),
                std: IMAGENET_STD.to_vec(),
                layout,
                ..Preprocess::default()
            };
            let found = others(&own);
            assert!(found.len() == 9, "{}", found.len());
            for (name, other) in found {
                let again = prepared(&value(&own, &picture), &own, &other).unwrap();
                let direct = value(&other, &picture);
                let pairs = again.as_slice::<f32>().unwrap().iter().zip(direct.as_slice::<f32>().unwrap());
                // Rounding of the first preparation, undone: 2⁻²³ of 255 levels and the offset.
                let close = |a: f32, b: f32| (a - b).abs() <= 1e-4 * (1.0 + b.abs());
                assert!(pairs.clone().all(|(&a, &b)| close(a, b)), "{name} {layout:?}");
            }
        }
    }

    #[test]
    fn a_moved_picture_repeats_its_edge() {
        let row: Vec<f32> = (0..32).map(|v| v as f32).collect();
        let input = Value::from_vec(&[1, 1, 1, 32], row.clone()).unwrap();
        let by_two: Vec<f32> = (0..32).map(|v: i32| (v - 2).max(0) as f32).collect();
        assert_eq!(moved(&input, Layout::Nchw).unwrap().as_slice::<f32>().unwrap(), by_two);
        let pairs: Vec<f32> = row.iter().flat_map(|&v| [v, v + 100.0]).collect();
        let input = Value::from_vec(&[1, 1, 32, 2], pairs).unwrap();
        let result = moved(&input, Layout::Nhwc).unwrap();
        let expected: Vec<f32> = by_two.iter().flat_map(|&v| [v, v + 100.0]).collect();
        assert_eq!(result.as_slice::<f32>().unwrap(), expected);
    }

    #[test]
    fn chances_are_those_of_coins() {
        assert_eq!(tail(0, 5), 1.0);
        assert!((tail(5, 5) - 1.0 / 32.0).abs() < 1e-15);
        assert!((tail(4, 5) - 6.0 / 32.0).abs() < 1e-15);
        assert_eq!(tail(0, 0), 1.0);
    }

    #[test]
    fn grey_pictures_have_no_order() {
        let own = Preprocess { channel_order: ChannelOrder::Grey, ..Preprocess::default() };
        let names: Vec<_> = others(&own).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["−1 to 1", "mean and deviation of MNIST", "0 to 255"]);
    }
}
