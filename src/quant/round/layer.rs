//! Rounding of one weight, some of its outputs at a time.

use super::adaround::Learning;
use super::curvature::{Curvature, Factor};
use super::grid::{Grid, RowGrid};
use super::{Rounded, comq, gptq, hqq, range};
use crate::ops::Isa;
use crate::quant::affine::{extremes, scale_numbers};
use crate::quant::recipe::RoundingChoice;
use crate::quant::{Granularity, QuantError, QuantParams, Range, TensorQuant};
use crate::tensor::Value;

/// Multiplications of one step, about.
const EFFORT: usize = 100_000_000;

/// Outputs whose codes are learned together.
const LEARNED_TOGETHER: usize = 256;

/// A weight as a matrix: outputs by terms.
#[derive(Debug, Clone)]
struct Matrix {
    rows: usize,
    terms: usize,
    /// Whether the tensor has the terms along its first axis.
    is_transposed: bool,
    data: Vec<f32>,
}

impl Matrix {
    fn new(weight: &Value, channel_axis: usize) -> Result<Self, QuantError> {
        let rows = weight.shape().get(channel_axis).copied().unwrap_or(1);
        let terms = weight.len() / rows.max(1);
        let mut matrix = Self { rows, terms, is_transposed: channel_axis != 0, data: Vec::new() };
        let data = weight.as_slice::<f32>()?;
        matrix.data = matrix.places().filter_map(|at| data.get(at).copied()).collect();
        Ok(matrix)
    }

    /// The places in the tensor of the matrix's elements, row after row.
    fn places(&self) -> impl Iterator<Item = usize> + use<> {
        let (rows, terms, is_transposed) = (self.rows, self.terms, self.is_transposed);
        (0..rows * terms).map(move |at| if is_transposed { at % terms * rows + at / terms } else { at })
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.data[row * self.terms..(row + 1) * self.terms]
    }
}

/// What is asked for a weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    /// How codes are found.
    pub(super) rounding: RoundingChoice,
    /// Whether ranges are chosen by what the layer makes of them.
    pub(super) by_output: bool,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Range,
    Codes,
    Scale,
    Done,
}

/// `Σ E` over all outputs.
#[derive(Debug, Clone, Copy, Default)]
struct Errors {
    /// Of the weights themselves, if they were all lost.
    all: f64,
    /// Nearest codes with the plan's parameters.
    planned: f64,
    /// Nearest codes with the ranges that were chosen.
    nearest: f64,
    /// The codes that were found.
    found: f64,
    /// The same with the scales that fit them best.
    scaled: f64,
}

/// The parameters that are made of others so that a bias still fits.
pub(super) type Fit<'a> = &'a dyn Fn(&mut TensorQuant);

/// A weight on its way.
#[derive(Debug)]
pub(super) struct LayerWork {
    task: Task,
    isa: Isa,
    matrix: Matrix,
    curvatures: Vec<Option<Curvature>>,
    factor: Option<(usize, Option<Factor>)>,
    /// The codes of the next outputs, where they are learned.
    learning: Option<Learning>,
    planned: TensorQuant,
    /// With the ranges that were chosen.
    ranged: TensorQuant,
    /// With the scales that fit the codes best.
    scaled: TensorQuant,
    grid: Grid,
    codes: Vec<i32>,
    wholes: Vec<Range>,
    /// By scale: errors of each share of the range; products and squares for the best scale.
    shares: Vec<[f64; range::SHARES]>,
    best_scale: Vec<[f64; 2]>,
    errors: Errors,
    phase: Phase,
    row: usize,
}

impl LayerWork {
    /// Begins with a weight, its parameters in the plan, and `H` of its groups. `None` where they do not fit
    /// together.
    pub(super) fn new(
        (task, isa): (Task, Isa),
        (weight, channel_axis): (&Value, usize),
        planned: &TensorQuant,
        curvatures: Vec<Option<Curvature>>,
    ) -> Result<Option<Self>, QuantError> {
        let matrix = Matrix::new(weight, channel_axis)?;
        let Some(grid) = Grid::new(weight.shape(), &planned.spec, &planned.params) else { return Ok(None) };
        let fits = !curvatures.is_empty()
            && matrix.rows.is_multiple_of(curvatures.len())
            && curvatures.iter().flatten().all(|h| h.terms() == matrix.terms);
        if !fits {
            return Ok(None);
        }
        let by_output = task.by_output && !planned.spec.granularity.is_per_group();
        let scales = planned.params.scale.len();
        Ok(Some(Self {
            grid: grid.reordered(matrix.places()),
            codes: vec![0; matrix.data.len()],
            wholes: extremes(weight, planned.spec.granularity)?,
            shares: if by_output { vec![[0.0; range::SHARES]; scales] } else { Vec::new() },
            best_scale: vec![[0.0; 2]; scales],
            factor: None,
            learning: None,
            isa,
            ranged: planned.clone(),
            scaled: planned.clone(),
            planned: planned.clone(),
            errors: Errors::default(),
            phase: if by_output { Phase::Range } else { Phase::Codes },
            row: 0,
            task: Task { by_output, ..task },
            matrix,
            curvatures,
        }))
    }

    /// Does some of it; whether that was the last.
    pub(super) fn step(&mut self, fit: Fit<'_>) -> Result<bool, QuantError> {
        if self.phase == Phase::Codes && self.task.rounding == RoundingChoice::AdaRound {
            self.learn()?;
        } else {
            self.visit_rows();
        }
        if self.row == self.matrix.rows {
            self.row = 0;
            self.phase = match self.phase {
                Phase::Range => self.choose_ranges(fit),
                Phase::Codes => self.choose_scales(fit),
                Phase::Scale | Phase::Done => Phase::Done,
            };
        }
        Ok(self.phase == Phase::Done)
    }

    fn visit_rows(&mut self) {
        let terms = self.matrix.terms;
        let each = terms.saturating_mul(terms).max(1) * if self.phase == Phase::Range { 20 } else { 1 };
        let end = (self.row + (EFFORT / each).max(1)).min(self.matrix.rows);
        for row in self.row..end {
            match self.phase {
                Phase::Range => self.look_at_ranges(row),
                Phase::Codes => self.find_codes(row),
                Phase::Scale => self.errors.scaled += self.row_error(row),
                Phase::Done => {}
            }
        }
        self.row = end;
    }

    /// Goes on learning the codes of the outputs that are next.
    fn learn(&mut self) -> Result<(), QuantError> {
        let (group, terms) = (self.group(self.row), self.matrix.terms);
        let in_group = self.matrix.rows / self.curvatures.len();
        let end = ((group + 1) * in_group).min(self.row + LEARNED_TOGETHER);
        let Some(h) = &self.curvatures[group] else {
            (self.row..end).for_each(|row| self.find_codes(row));
            self.row = end;
            return Ok(());
        };
        let elements = self.row * terms..end * terms;
        let mut learning = if let Some(learning) = self.learning.take() {
            learning
        } else {
            let weights = &self.matrix.data[elements.clone()];
            Learning::new(weights, self.grid.of(elements), h, self.isa)?
        };
        for _ in 0..(EFFORT / learning.effort().max(1)).max(1) {
            if learning.step()? {
                let codes: Vec<i32> = learning.codes().collect();
                let rows = codes.chunks_exact(terms.max(1));
                (self.row..end).zip(rows).for_each(|(row, codes)| self.settle(row, codes));
                self.row = end;
                return Ok(());
            }
        }
        self.learning = Some(learning);
        Ok(())
    }

    /// The group of an output.
    fn group(&self, row: usize) -> usize {
        row / (self.matrix.rows / self.curvatures.len()).max(1)
    }

    /// `E` of the codes of an output, with the grid as it is.
    fn row_error(&self, row: usize) -> f64 {
        let Some(h) = &self.curvatures[self.group(row)] else { return 0.0 };
        let elements = row * self.matrix.terms..(row + 1) * self.matrix.terms;
        let grid = self.grid.of(elements.clone());
        h.error(&grid.errors(self.matrix.row(row), &self.codes[elements]))
    }

    fn look_at_ranges(&mut self, row: usize) {
        let Some(h) = &self.curvatures[self.group(row)] else { return };
        let weights = self.matrix.row(row);
        let grid = self.grid.of(row * self.matrix.terms..(row + 1) * self.matrix.terms);
        self.errors.planned += h.error(&grid.errors(weights, &grid.all_nearest(weights)));
        let scale = if weights.is_empty() { 0 } else { grid.scale(0) };
        let found = range::errors(weights, self.wholes[scale], &self.planned.spec, h);
        self.shares[scale].iter_mut().zip(found).for_each(|(sum, error)| *sum += error);
    }

    fn choose_ranges(&mut self, fit: Fit<'_>) -> Phase {
        let spec = self.planned.spec;
        let pairs = self.wholes.iter().zip(&self.shares);
        let ranges: Vec<Range> =
            pairs.map(|(&whole, errors)| range::share(whole, range::best(errors))).collect();
        self.ranged.params = QuantParams::of_ranges(&ranges, &spec);
        fit(&mut self.ranged);
        if !self.grid.replace(&spec, &self.ranged.params) {
            self.ranged = self.planned.clone();
        }
        Phase::Codes
    }

    fn find_codes(&mut self, row: usize) {
        let (group, terms) = (self.group(row), self.matrix.terms);
        let elements = row * terms..(row + 1) * terms;
        if self.task.rounding == RoundingChoice::Gptq && self.factor.as_ref().is_none_or(|f| f.0 != group) {
            let made = self.curvatures[group].as_ref().and_then(Curvature::factor);
            self.factor = Some((group, made));
        }
        let (weights, grid) = (self.matrix.row(row), self.grid.of(elements));
        let factor = self.factor.as_ref().and_then(|(_, factor)| factor.as_ref());
        let codes = match (self.task.rounding, factor, &self.curvatures[group]) {
            (RoundingChoice::Gptq, Some(factor), _) => gptq::round(weights, grid, factor),
            (RoundingChoice::Comq, _, Some(h)) => comq::round(weights, grid, h),
            _ => grid.all_nearest(weights),
        };
        self.settle(row, &codes);
    }

    /// Keeps the codes of an output, with what they lose.
    fn settle(&mut self, row: usize, codes: &[i32]) {
        let elements = row * self.matrix.terms..(row + 1) * self.matrix.terms;
        self.codes[elements.clone()].copy_from_slice(codes);
        let Some(h) = &self.curvatures[self.group(row)] else { return };
        let (weights, grid) = (self.matrix.row(row), self.grid.of(elements));
        let real: Vec<f64> = weights.iter().map(|&w| f64::from(w)).collect();
        self.errors.all += h.error(&real);
        self.errors.nearest += h.error(&grid.errors(weights, &grid.all_nearest(weights)));
        self.errors.found += h.error(&grid.errors(weights, codes));
        if self.task.rounding == RoundingChoice::Comq && !weights.is_empty() {
            add_best_scale(&mut self.best_scale, (weights, codes), grid, h);
        }
    }

    /// Whether the grid lets scales be what they like: each is of whole outputs.
    fn scales_are_free(&self) -> bool {
        let spec = &self.planned.spec;
        let is_whole = matches!(spec.granularity, Granularity::PerTensor | Granularity::PerChannel { .. });
        self.task.rounding == RoundingChoice::Comq && is_whole && !spec.power_of_two
    }

    fn choose_scales(&mut self, fit: Fit<'_>) -> Phase {
        if !self.task.by_output {
            self.errors.planned = self.errors.nearest;
        }
        self.errors.scaled = f64::INFINITY;
        if !self.scales_are_free() {
            return Phase::Done;
        }
        self.scaled = self.ranged.clone();
        for (scale, [product, square]) in self.scaled.params.scale.iter_mut().zip(&self.best_scale) {
            let best = (product / square) as f32;
            if best.is_normal() && best > 0.0 {
                *scale = best;
            }
        }
        let mut fitted = self.scaled.clone();
        fit(&mut fitted);
        if fitted != self.scaled || !self.grid.replace(&self.scaled.spec, &self.scaled.params) {
            return Phase::Done;
        }
        self.errors.scaled = 0.0;
        Phase::Scale
    }

    /// What came of it: the best of what was tried.
    pub(super) fn finish(mut self) -> Outcome {
        let Errors { all, planned, nearest, found, scaled } = self.errors;
        let relative = |error: f64| if all > 0.0 { error / all } else { 0.0 };
        let tried = found.min(scaled);
        let wanted = self.task.rounding;
        let kept = nearest.min(planned);
        let is_nearest = wanted == RoundingChoice::Nearest || tried > kept;
        let quant = match is_nearest {
            true if planned < nearest => &self.planned,
            false if scaled < found => &self.scaled,
            _ => &self.ranged,
        };
        let quant = quant.clone();
        let note = (is_nearest && wanted != RoundingChoice::Nearest).then(|| {
            format!(
                "{} would have made the error {:.3e}, more than nearest codes do",
                wanted.name(),
                relative(tried)
            )
        });
        self.grid.replace(&quant.spec, &quant.params);
        let weight = (!is_nearest).then(|| self.weight());
        let rounding = if is_nearest { RoundingChoice::Nearest } else { wanted };
        let accepted = if is_nearest { kept } else { tried };
        let [nearest, accepted] = [planned, accepted].map(|error| Some(relative(error)));
        Outcome { quant: Some(quant), weight, rounded: Rounded { rounding, nearest, accepted, note } }
    }

    /// What the codes stand for with the grid as it is, as the tensor has its elements.
    fn weight(&self) -> Vec<f32> {
        let grid = self.grid.of(0..self.codes.len());
        let mut data = vec![0.0; self.codes.len()];
        for (number, (place, &code)) in self.matrix.places().zip(&self.codes).enumerate() {
            data[place] = grid.real(number, code) as f32;
        }
        data
    }
}

/// Adds up what the best scales of an output's codes are made of.
fn add_best_scale(
    sums: &mut [[f64; 2]],
    (weights, codes): (&[f32], &[i32]),
    grid: RowGrid<'_>,
    h: &Curvature,
) {
    let steps: Vec<f64> = codes.iter().enumerate().map(|(at, &code)| grid.steps(at, code)).collect();
    let found = comq::scale(weights, &steps, h);
    sums[grid.scale(0)].iter_mut().zip(found).for_each(|(sum, v)| *sum += v);
}

/// What came of a weight.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Its parameters, where they are others than the plan's.
    pub(super) quant: Option<TensorQuant>,
    /// Its numbers, on their grid, where these are not the nearest.
    pub(super) weight: Option<Vec<f32>>,
    /// What is said about it.
    pub(super) rounded: Rounded,
}

/// Scales and zero points of a weight by [`hqq`], some of them at a time.
#[derive(Debug)]
pub(super) struct AloneWork {
    planned: TensorQuant,
    quant: TensorQuant,
    /// The weights of each scale.
    weights: Vec<Vec<f32>>,
    at: usize,
}

impl AloneWork {
    /// Begins with a weight and its parameters in the plan.
    pub(super) fn new(weight: &Value, planned: &TensorQuant) -> Result<Self, QuantError> {
        let mut weights = vec![Vec::new(); planned.params.scale.len()];
        let numbers = scale_numbers(weight.shape(), planned.spec.granularity);
        for (&w, scale) in weight.as_slice::<f32>()?.iter().zip(numbers) {
            if let Some(of) = weights.get_mut(scale as usize) {
                of.push(w);
            }
        }
        Ok(Self { quant: planned.clone(), planned: planned.clone(), weights, at: 0 })
    }

    /// Does some of it; whether that was the last.
    pub(super) fn step(&mut self) -> bool {
        const WEIGHTS: usize = 100_000;
        let mut done = 0;
        while let Some(weights) = self.weights.get(self.at).filter(|_| done < WEIGHTS) {
            let spec = &self.planned.spec;
            let (scale, zero) =
                (&mut self.quant.params.scale[self.at], &mut self.quant.params.zero_point[self.at]);
            let ends = [spec.qmin(), spec.qmax()];
            let found = hqq::search(weights, (*scale, *zero), ends, spec.symmetric);
            (*scale, *zero) = (found.scale, found.zero_point);
            done += weights.len();
            self.at += 1;
        }
        self.at == self.weights.len()
    }

    /// What came of it.
    pub(super) fn finish(mut self, fit: Fit<'_>) -> Outcome {
        fit(&mut self.quant);
        let ends = [self.planned.spec.qmin(), self.planned.spec.qmax()];
        let error = |params: &QuantParams| -> f64 {
            let pairs = params.scale.iter().zip(&params.zero_point);
            pairs.zip(&self.weights).map(|((&s, &z), weights)| hqq::error(weights, (s, z), ends)).sum()
        };
        let all = self.weights.iter().flatten().map(|&w| libm::pow(f64::from(w).abs(), hqq::POWER));
        let all = all.sum::<f64>();
        let relative = |error: f64| if all > 0.0 { error / all } else { 0.0 };
        let (planned, found) = (error(&self.planned.params), error(&self.quant.params));
        let is_better = found <= planned;
        let note = (!is_better).then(|| "the bias needs a scale with which hqq is no better".to_owned());
        let rounded = Rounded {
            rounding: if is_better { RoundingChoice::Hqq } else { RoundingChoice::Nearest },
            nearest: Some(relative(planned)),
            accepted: Some(relative(if is_better { found } else { planned })),
            note,
        };
        Outcome { quant: is_better.then_some(self.quant), weight: None, rounded }
    }
}
