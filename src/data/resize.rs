//! Resizing 8-bit pictures with exactly Pillow's arithmetic (`Image.resize`, `libImaging/Resample.c` and `Geometry.c`).
//!
//! Bilinear and bicubic are separable convolutions whose kernel widens when shrinking (antialiasing):
//! output pixel `i` is centred on input coordinate `(i + ½)·scale`, its weights are the filter sampled at pixel
//! centres, divided by `max(scale, 1)` and normalised to sum 1. What makes the result Pillow's to the last bit:
//!
//! 1. weights are rounded to 22-bit fixed point, sums start at one half and are shifted down;
//! 2. the first pass is rounded to bytes before the second;
//! 3. the first pass goes along the rows, unless the height shrinks by more than twice what the width does (Pillow 13;
//!    earlier versions always begin with the rows);
//! 4. a direction that keeps its size is not filtered at all.
//!
//! The resizing crates use 14- or 16-bit weights or the other order; they differ by one in 0.2 to 18 % of the
//! bytes, which is enough to change the answer of a network near a decision boundary.
//!
//! Only a window of the output is computed, so that resizing followed by a centre crop does no work for
//! pixels that are cut off, and a picture of 1×60000 pixels costs no more than any other.

use std::ops::Range;

/// How a picture is resampled, numbered as in Pillow and `preprocessor_config.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resample {
    /// 0: the input pixel under each output pixel's centre.
    Nearest,
    /// 2: triangle filter, antialiased.
    #[default]
    Bilinear,
    /// 3: Catmull-Rom cubic (a = −½), antialiased.
    Bicubic,
}

/// Bits after the binary point of a weight: 32 minus 8 for the pixel and 2 for overshoot.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Interleaved 8-bit pixels with 1 or 3 channels, `[height, width, C]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pixels<const C: usize> {
    /// Width in pixels.
    pub(super) width: usize,
    /// Height in pixels.
    pub(super) height: usize,
    /// `height · width` pixels.
    pub(super) data: Vec<[u8; C]>,
}

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// Columns before it.
    pub(super) left: usize,
    /// Rows above it.
    pub(super) top: usize,
    /// Columns within.
    pub(super) width: usize,
    /// Rows within.
    pub(super) height: usize,
}

impl Window {
    /// The window of `size` (width, height) in the centre of `whole`, with the extra pixel of an odd rest to the
    /// right and below; `None` when it does not fit.
    pub(super) fn centred(whole: (usize, usize), size: (usize, usize)) -> Option<Self> {
        let left = whole.0.checked_sub(size.0)? / 2;
        let top = whole.1.checked_sub(size.1)? / 2;
        Some(Self { left, top, width: size.0, height: size.1 })
    }

    /// The largest square in the centre of `width` × `height`.
    pub(super) fn largest_square(width: usize, height: usize) -> Self {
        let side = width.min(height);
        Self { left: (width - side) / 2, top: (height - side) / 2, width: side, height: side }
    }
}

impl<const C: usize> Pixels<C> {
    /// The pixels within `window`, which is clipped to the picture.
    pub(super) fn crop(&self, window: Window) -> Self {
        let rows = span(window.top, window.height, self.height);
        let columns = span(window.left, window.width, self.width);
        let data = self.rows(rows.clone()).flat_map(|row| row[columns.clone()].iter().copied()).collect();
        Self { width: columns.len(), height: rows.len(), data }
    }

    /// The part within `window` of this picture resized to `size` (width, height); the window is clipped to `size`.
    /// Memory and time follow the window and the input, not `size`.
    pub(super) fn resize(&self, size: (usize, usize), window: Window, resample: Resample) -> Self {
        let columns = span(window.left, window.width, size.0);
        let rows = span(window.top, window.height, size.1);
        if resample == Resample::Nearest {
            return self.pick(&nearest(self.width, size.0, columns), &nearest(self.height, size.1, rows));
        }
        let mut across = Kernel::new(self.width, size.0, columns, resample);
        let mut down = Kernel::new(self.height, size.1, rows, resample);
        let (left, width) = across.rebase();
        let (top, height) = down.rebase();
        let source = self.crop(Window { left, top, width, height });
        if self.rows_first(size) {
            source.filter_rows(&across).filter_columns(&down)
        } else {
            source.filter_columns(&down).filter_rows(&across)
        }
    }

    /// Whether the pass along the rows comes first in a resize to `size`.
    fn rows_first(&self, size: (usize, usize)) -> bool {
        let shrunk_width = self.width as i64 - size.0 as i64;
        let shrunk_height = self.height as i64 - size.1 as i64;
        shrunk_height <= (2 * shrunk_width).max(0)
    }

    fn rows(&self, rows: Range<usize>) -> impl Iterator<Item = &[[u8; C]]> {
        // `max(1)`: an empty picture has no rows, whatever their width.
        self.data.chunks_exact(self.width.max(1)).skip(rows.start).take(rows.len())
    }

    fn pick(&self, columns: &[usize], rows: &[usize]) -> Self {
        let mut data = Vec::with_capacity(columns.len() * rows.len());
        for &y in rows {
            for row in self.rows(y..y + 1) {
                data.extend(columns.iter().filter_map(|&x| row.get(x)));
            }
        }
        Self { width: columns.len(), height: rows.len(), data }
    }

    /// Filters along x.
    fn filter_rows(&self, kernel: &Kernel) -> Self {
        let mut data = Vec::with_capacity(kernel.taps.len() * self.height);
        for row in self.rows(0..self.height) {
            data.extend(kernel.taps.iter().map(|tap| {
                let mut sums = [HALF; C];
                for (pixel, &weight) in row.iter().skip(tap.first).zip(&tap.weights) {
                    accumulate(&mut sums, pixel, weight);
                }
                sums.map(to_byte)
            }));
        }
        Self { width: kernel.taps.len(), height: self.height, data }
    }

    /// Filters along y.
    fn filter_columns(&self, kernel: &Kernel) -> Self {
        let mut data = Vec::with_capacity(self.width * kernel.taps.len());
        let mut sums = vec![[HALF; C]; self.width];
        for tap in &kernel.taps {
            sums.fill([HALF; C]);
            for (row, &weight) in self.rows(tap.first..self.height).zip(&tap.weights) {
                for (sum, pixel) in sums.iter_mut().zip(row) {
                    accumulate(sum, pixel, weight);
                }
            }
            data.extend(sums.iter().map(|sum| sum.map(to_byte)));
        }
        Self { width: self.width, height: kernel.taps.len(), data }
    }
}

fn accumulate<const C: usize>(sums: &mut [i32; C], pixel: &[u8; C], weight: i32) {
    for (sum, &value) in sums.iter_mut().zip(pixel) {
        *sum += i32::from(value) * weight;
    }
}

/// Start of every sum, so that the shift in [`to_byte`] rounds to nearest.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

fn to_byte(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

/// The weights of one output pixel over consecutive input pixels.
struct Tap {
    first: usize,
    weights: Vec<i32>,
}

/// One [`Tap`] for each output pixel of a range.
struct Kernel {
    taps: Vec<Tap>,
}

impl Kernel {
    fn new(input: usize, output: usize, wanted: Range<usize>, resample: Resample) -> Self {
        if input == output {
            let weights = vec![1 << PRECISION_BITS];
            return Self { taps: wanted.map(|first| Tap { first, weights: weights.clone() }).collect() };
        }
        let (filter, radius): (fn(f64) -> f64, f64) = match resample {
            Resample::Bicubic => (cubic, 2.0),
            Resample::Bilinear | Resample::Nearest => (triangle, 1.0),
        };
        let scale = input as f64 / output as f64;
        let stretch = scale.max(1.0);
        let support = radius * stretch;
        let taps = wanted.map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            // `as usize` saturates negative positions at 0.
            let first = (centre - support + 0.5) as usize;
            let end = ((centre + support + 0.5) as usize).min(input);
            let weights: Vec<f64> =
                (first..end).map(|x| filter((x as f64 - centre + 0.5) * (1.0 / stretch))).collect();
            let total: f64 = weights.iter().sum();
            Tap {
                first,
                weights: weights
                    .iter()
                    .map(|w| to_fixed(if total == 0.0 { *w } else { w / total }))
                    .collect(),
            }
        });
        Self { taps: taps.collect() }
    }

    /// Makes positions relative to the first input pixel that any tap reads; returns that pixel and the number of
    /// pixels from it to the last one read.
    fn rebase(&mut self) -> (usize, usize) {
        let first = self.taps.iter().map(|tap| tap.first).min().unwrap_or(0);
        let end = self.taps.iter().map(|tap| tap.first + tap.weights.len()).max().unwrap_or(first);
        for tap in &mut self.taps {
            tap.first -= first;
        }
        (first, end - first)
    }
}

/// Rounds half away from zero, as the C cast after adding ±½ does.
fn to_fixed(weight: f64) -> i32 {
    let scaled = weight * f64::from(1 << PRECISION_BITS);
    (if weight < 0.0 { scaled - 0.5 } else { scaled + 0.5 }) as i32
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// The input pixel for each wanted output pixel. The position is accumulated step by step, rounding included, as Pillow does.
fn nearest(input: usize, output: usize, wanted: Range<usize>) -> Vec<usize> {
    let scale = input as f64 / output as f64;
    let mut position = scale * 0.5;
    let mut picked = Vec::with_capacity(wanted.len());
    for i in 0..wanted.end {
        if i >= wanted.start {
            picked.push((position as usize).min(input.saturating_sub(1)));
        }
        position += scale;
    }
    picked
}

/// `first..first + length`, clipped to `0..end`.
fn span(first: usize, length: usize, end: usize) -> Range<usize> {
    let first = first.min(end);
    first..first.saturating_add(length).min(end)
}
