//! The numbers that weights can become.

use crate::kernels::reference::{dequantize, quantize};
use crate::quant::affine::{AffineParams, scale_numbers};
use crate::quant::{QuantParams, QuantSpec};

/// The grids of a weight: which scale each element has, and what its codes stand for.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    params: Vec<AffineParams>,
    /// For each element the number of its scale.
    scales: Vec<u32>,
}

impl Grid {
    /// The grids of a tensor of that shape. `None` where parameters are not those of its spec.
    pub fn new(shape: &[usize], spec: &QuantSpec, params: &QuantParams) -> Option<Self> {
        let scales = scale_numbers(shape, spec.granularity);
        let params = Self::params(spec, params)?;
        let fits = scales.iter().all(|&at| (at as usize) < params.len());
        fits.then_some(Self { params, scales })
    }

    fn params(spec: &QuantSpec, params: &QuantParams) -> Option<Vec<AffineParams>> {
        let pairs = params.scale.iter().zip(&params.zero_point);
        pairs.map(|(&scale, &zero)| AffineParams::new(scale, zero, spec.qmin(), spec.qmax()).ok()).collect()
    }

    /// As many scales, others than before. `false`, and nothing changes, where they do not fit the spec.
    pub fn replace(&mut self, spec: &QuantSpec, params: &QuantParams) -> bool {
        let new = Self::params(spec, params).filter(|new| new.len() == self.params.len());
        if let Some(new) = new {
            self.params = new;
            return true;
        }
        false
    }

    /// Takes the elements to another order, of which `order` has the places that they have now.
    #[must_use]
    pub fn reordered(self, order: impl Iterator<Item = usize>) -> Self {
        let scales = order.filter_map(|at| self.scales.get(at).copied()).collect();
        Self { scales, ..self }
    }

    /// The grids of some neighbouring elements.
    pub fn of(&self, elements: std::ops::Range<usize>) -> RowGrid<'_> {
        RowGrid { params: &self.params, scales: self.scales.get(elements).unwrap_or_default() }
    }
}

/// The grids of the weights of one output.
#[derive(Debug, Clone, Copy)]
pub struct RowGrid<'a> {
    params: &'a [AffineParams],
    scales: &'a [u32],
}

impl RowGrid<'_> {
    /// The number of an element's scale.
    pub fn scale(&self, at: usize) -> usize {
        self.scales[at] as usize
    }

    /// The code that is nearest to a number; half-way the even one.
    pub fn nearest(&self, at: usize, number: f64) -> i32 {
        quantize(number as f32, &self.params[self.scale(at)])
    }

    /// The number that a code stands for, as the network computes it.
    pub fn real(&self, at: usize, code: i32) -> f64 {
        f64::from(dequantize(code, &self.params[self.scale(at)]))
    }

    /// How many steps from zero a code is.
    pub fn steps(&self, at: usize, code: i32) -> f64 {
        f64::from(code - self.params[self.scale(at)].zero_point())
    }

    /// The nearest codes of all elements.
    pub fn all_nearest(&self, weights: &[f32]) -> Vec<i32> {
        weights.iter().enumerate().map(|(at, &w)| self.nearest(at, f64::from(w))).collect()
    }

    /// The errors of codes.
    pub fn errors(&self, weights: &[f32], codes: &[i32]) -> Vec<f64> {
        let pairs = weights.iter().zip(codes).enumerate();
        pairs.map(|(at, (&w, &code))| self.real(at, code) - f64::from(w)).collect()
    }
}
