use super::aciq::{gaussian_clip, laplace_clip};
use super::*;
use crate::kernels::{AffineParams, reference::fake_quantize};
use crate::quant::observe::testing::Random;
use crate::quant::{Granularity, QuantParams};
use ndarray::{ArrayD, IxDyn};
use wasm_bindgen_test::wasm_bindgen_test;

/// A symmetric signed grid with one scale.
fn symmetric(bits: u8) -> QuantSpec {
    QuantSpec { granularity: Granularity::PerTensor, ..QuantSpec::weights(bits, 0) }
}

/// The grids that there are.
fn specs() -> Vec<QuantSpec> {
    let of = |bits| {
        let (plain, activations) = (symmetric(bits), QuantSpec::activations(bits));
        let full = QuantSpec { narrow: false, ..plain };
        let signed = QuantSpec { signed: true, ..activations };
        let unsigned = QuantSpec { symmetric: true, ..activations };
        [plain, full, activations, signed, unsigned]
    };
    [2, 4, 8].into_iter().flat_map(of).collect()
}

/// Every estimator, with parameters other than the usual ones as well.
fn estimators() -> Vec<Estimator> {
    let others = [
        Estimator::Percentile { percent: 99.0 },
        Estimator::Mse { power: 2.4 },
        Estimator::Kl { tolerance: 1.3 },
        Estimator::Ema { decay: 1.0 },
    ];
    Estimator::ALL.iter().copied().chain(others).collect()
}

/// Mean of `|x − x̂|^power` by the definition of a code.
fn actual_error(values: &[f32], range: Range, spec: &QuantSpec, power: f64) -> f64 {
    let (scale, zero_point) = QuantParams::from_range(range, spec);
    let params = AffineParams::new(scale, zero_point, spec.qmin(), spec.qmax()).unwrap();
    let error = |&x: &f32| libm::pow(f64::from((x - fake_quantize(x, &params)).abs()), power);
    values.iter().map(error).sum::<f64>() / values.len() as f64
}

#[test]
fn estimators_survive_json_with_their_defaults() {
    for estimator in estimators() {
        let json = serde_json::to_string(&estimator).unwrap();
        assert_eq!(serde_json::from_str::<Estimator>(&json).unwrap(), estimator, "{json}");
        estimator.check().unwrap();
    }
    for &estimator in Estimator::ALL {
        let json = format!(r#"{{"kind":"{}"}}"#, estimator.name());
        assert_eq!(serde_json::from_str::<Estimator>(&json).unwrap(), estimator, "{json}");
    }
    let defaults = r#"[{"kind":"max"},{"kind":"ema","decay":0.1},{"kind":"percentile","percent":99.99},{"kind":"mse","power":2.0},{"kind":"kl","tolerance":1.0},{"kind":"aciq"}]"#;
    assert_eq!(serde_json::to_string(Estimator::ALL).unwrap(), defaults);
    assert!(serde_json::from_str::<Estimator>(r#"{"kind":"mse","p":2}"#).is_err());
    assert!(serde_json::from_str::<Estimator>(r#"{"kind":"mean"}"#).is_err());
}

#[test]
fn parameters_out_of_range_are_refused_by_name() {
    let wrong = [
        Estimator::Ema { decay: 0.0 },
        Estimator::Ema { decay: 1.5 },
        Estimator::Percentile { percent: 50.0 },
        Estimator::Percentile { percent: 100.1 },
        Estimator::Mse { power: 0.5 },
        Estimator::Mse { power: f64::NAN },
        Estimator::Kl { tolerance: 0.9 },
        Estimator::Kl { tolerance: f64::INFINITY },
    ];
    for estimator in wrong {
        assert!(estimator.check().is_err(), "{estimator:?}");
    }
    let message = Estimator::Mse { power: 9.0 }.check().unwrap_err().to_string();
    assert_eq!(message, "the power of the estimator `mse` is 9, but must be 1 to 4");
}

#[wasm_bindgen_test(unsupported = test)]
fn whatever_was_seen_there_is_a_range_with_zero() {
    let mut random = Random::new(11);
    let wide: Vec<f32> = (-149..128).map(|e| libm::exp2(f64::from(e)) as f32).collect();
    let samples: Vec<Vec<f32>> = vec![
        vec![],
        vec![0.0; 10],
        vec![-0.0],
        vec![3.5; 10],
        vec![-1e-3],
        vec![5.0, 5.000_001, 6.0],
        vec![1e-45, 0.0],
        vec![f32::MIN, f32::MAX],
        vec![f32::MAX, 1.0, 0.0],
        wide.iter().map(|v| -v).collect(),
        wide,
        random.gaussians(300).into_iter().map(|v| v.max(0.0)).collect(),
        random.gaussians(300),
        [vec![1.0; 1000], vec![0.0; 3], vec![-1e6]].concat(),
    ];
    for values in &samples {
        let seen = Observed::of(values);
        let whole = seen.range();
        for spec in specs() {
            let named = |range: Range, name: &str| {
                let what = format!("{name} of {:?} for {spec:?}: {range:?}", &values[..values.len().min(4)]);
                assert!(range.lo <= 0.0 && range.hi >= 0.0, "{what}");
                assert!(range.lo >= whole.lo && range.hi <= whole.hi, "{what}");
            };
            for estimator in estimators() {
                named(estimator.range(&seen, &spec), estimator.name());
            }
            named(lowest_mse(&seen, &spec, GUIDELINE).1, "the best");
        }
    }
    // What was not counted has its whole range.
    let seen = Observed::of(&[]);
    assert_eq!(lowest_mse(&seen, &symmetric(8), &[]), (Estimator::Max, Range { lo: 0.0, hi: 0.0 }));
}

#[test]
fn values_that_are_all_equal_keep_their_place() {
    for value in [6.0_f32, -0.25] {
        let seen = Observed::of(&[value; 50]);
        for estimator in estimators() {
            // A threshold by its formula alone may lie on either side of the one value.
            if matches!(estimator, Estimator::Aciq) {
                continue;
            }
            let range = estimator.range(&seen, &QuantSpec::activations(8));
            assert_eq!(range, seen.range(), "{estimator:?}");
        }
    }
}

#[test]
fn integrated_errors_are_those_of_evenly_spread_values() {
    let mut random = Random::new(12);
    let values: Vec<f32> = (0..200_000).map(|_| 3.0 * random.uniform() as f32 - 1.0).collect();
    let seen = Observed::of(&values);
    for spec in specs() {
        for (share, power) in [(1.0, 2.0), (0.61, 2.0), (0.61, 2.4), (0.3, 1.0), (0.13, 3.0)] {
            let range = Range { lo: -share, hi: 2.0 * share };
            let found = expected_error(&seen, range, &spec, power).unwrap();
            let actual = actual_error(&values, range, &spec, power);
            // The deviation of a mean of so many errors, each at most some times the mean one, is below
            // a hundredth of it; three of these.
            assert!((found - actual).abs() <= 0.02 * actual, "{spec:?} {share} {power}: {found} {actual}");
        }
    }
}

#[test]
fn moving_averages_follow_the_pictures() {
    use crate::quant::observe::{Calibrator, Statistics};
    use crate::{exec::Probe as _, ir::GraphBuilder, tensor};
    let mut builder = GraphBuilder::new("g");
    let ty = tensor::TensorType::new(tensor::DType::F32, tensor::Shape::fixed(&[2]));
    let x = builder.input("x", ty);
    builder.output(x);
    let graph = builder.finish().unwrap();
    let watch = |pictures: &[(usize, [f32; 2])]| -> Statistics {
        let mut calibrator = Calibrator::new(&graph);
        for (number, values) in pictures {
            calibrator.observe(x, &tensor::Value::from_vec(&[2], values.to_vec()).unwrap());
            calibrator.finish_run(*number);
        }
        calibrator.statistics().clone()
    };
    let found = watch(&[(0, [-1.0, 4.0]), (2, [-3.0, 8.0]), (1, [0.0, 6.0])]);
    let range = Estimator::Ema { decay: 0.25 }.range(found.get(x).unwrap(), &symmetric(8));
    // 4 → ¾·4 + ¼·6 = 4.5 → ¾·4.5 + ¼·8 = 5.375; −1 → −0.75 → −1.3125.
    assert_eq!(range, Range { lo: -1.3125, hi: 5.375 });
    let max = Estimator::Max.range(found.get(x).unwrap(), &symmetric(8));
    assert_eq!(max, Range { lo: -3.0, hi: 8.0 });
}

#[test]
fn percentiles_are_those_of_the_values() {
    let mut random = Random::new(13);
    let values = random.gaussians(100_000);
    let width = Observed::of(&values).histogram().unwrap().width();
    let near = |found: f32, values: &[f32], share: f64| {
        let mut sorted = values.to_vec();
        sorted.sort_by(f32::total_cmp);
        let at = share * (values.len() - 1) as f64;
        // Two neighbours of the sorted values, and a bin around them.
        let lo = f64::from(sorted[at.floor() as usize]) - width;
        let hi = f64::from(sorted[at.ceil() as usize]) + width;
        assert!((lo..=hi).contains(&f64::from(found)), "{found} is not in {lo}..{hi}");
    };
    let halves: Vec<f32> = values.iter().map(|v| v.max(0.0)).collect();
    let magnitudes: Vec<f32> = values.iter().map(|v| v.abs()).collect();
    for percent in [90.0, 99.0, 99.9] {
        let of = |values: &[f32], spec| Estimator::Percentile { percent }.range(&Observed::of(values), &spec);
        let tail = 1.0 - percent / 100.0;
        let both = of(&values, QuantSpec::activations(8));
        near(both.lo, &values, tail / 2.0);
        near(both.hi, &values, 1.0 - tail / 2.0);
        let one = of(&halves, QuantSpec::activations(8));
        near(one.hi, &halves, 1.0 - tail);
        assert_eq!(one.lo, 0.0);
        let negative: Vec<f32> = halves.iter().map(|v| -v).collect();
        near(-of(&negative, QuantSpec::activations(8)).lo, &halves, 1.0 - tail);
        near(of(&values, symmetric(8)).hi, &magnitudes, 1.0 - tail);
    }
    let all = Estimator::Percentile { percent: 100.0 }.range(&Observed::of(&values), &symmetric(8));
    assert_eq!(all, Observed::of(&values).range());
    // More zeros than are kept: nothing but zero is left.
    let sparse = Observed::of(&[vec![0.0; 999], vec![1.0]].concat());
    let range = Estimator::Percentile { percent: 99.0 }.range(&sparse, &QuantSpec::activations(8));
    assert_eq!(range, Range { lo: 0.0, hi: 0.0 });
}

/// What `tests/tools/ranges.py` prints: onnxruntime's percentiles, and divergences bin by bin in NumPy.
#[test]
fn ranges_are_those_of_other_implementations() {
    let mut state = 1_u32;
    let mut draw = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 20)
    };
    let mut next = || {
        let v = ((0..4).map(|_| draw()).sum::<f64>() - 8190.0) / 1024.0;
        (v * v * v / 8.0) as f32
    };
    let both: Vec<f32> = (0..20_001).map(|_| next()).collect();
    let relu: Vec<f32> = both.iter().map(|v| v.max(0.0)).collect();
    let [both, relu] = [both, relu].map(|values| Observed::of(&values));
    assert_eq!(both.range(), Range { lo: -48.896_935, hi: 44.823_85 });
    let eight = QuantSpec::activations(8);
    let percentiles = [
        (99.0, (-21.487_911, 22.156_425), 21.846_043, 17.750_069),
        (99.9, (-36.051_94, 37.961_975), 36.529_45, 33.311_474),
    ];
    // A bin of ours, and one of onnxruntime's: 2048 from end to end.
    let bins = 2.0_f32.mul_add(48.9 / 2048.0, both.histogram().unwrap().width() as f32);
    for (percent, (lo, hi), symmetrical, one_sided) in percentiles {
        let of = |seen, spec| Estimator::Percentile { percent }.range(seen, &spec);
        let found = of(&both, eight);
        for (found, expected) in [
            (found.lo, lo),
            (found.hi, hi),
            (of(&both, symmetric(8)).hi, symmetrical),
            (of(&relu, eight).hi, one_sided),
        ] {
            assert!((found - expected).abs() <= bins, "{percent} %: {found} {expected}");
        }
    }
    for (tolerance, signed, one_sided) in [(1.0, 22.765_625, 22.765_625), (1.3, 44.015_625, 38.546_875)] {
        let of = |seen, spec| Estimator::Kl { tolerance }.range(seen, &spec);
        assert_eq!(of(&both, symmetric(8)), Range { lo: -signed, hi: signed });
        assert_eq!(of(&both, eight), Range { lo: -signed, hi: signed });
        assert_eq!(of(&relu, eight), Range { lo: 0.0, hi: one_sided });
    }
}

#[test]
fn the_grid_of_least_error_never_does_worse_than_the_whole_range() {
    let mut random = Random::new(14);
    let samples = [
        random.gaussians(5000),
        (0..5000).map(|_| random.laplace().max(0.0)).collect(),
        (0..5000).map(|_| random.uniform() as f32).collect(),
        [random.gaussians(5000), vec![80.0]].concat(),
    ];
    for values in &samples {
        let seen = Observed::of(values);
        for spec in specs() {
            // Powers other than the second take their time.
            for power in if spec == symmetric(4) { vec![2.0, 2.4] } else { vec![2.0] } {
                let range = Estimator::Mse { power }.range(&seen, &spec);
                let error = |range| expected_error(&seen, range, &spec, power).unwrap();
                assert!(error(range) <= error(seen.range()), "{spec:?}");
                assert!((2..80).all(|i| {
                    let share = (1.0 - 0.01 * f64::from(i)) as f32;
                    error(range)
                        <= error(Range { lo: seen.range().lo * share, hi: seen.range().hi * share })
                            * 1.000_01
                }));
            }
        }
    }
}

#[test]
fn a_million_gaussian_values_at_four_bits_are_cut_near_the_known_optimum() {
    let values = Random::new(15).gaussians(1_000_000);
    let seen = Observed::of(&values);
    for spec in [symmetric(4), QuantSpec::activations(4)] {
        let range = Estimator::Mse { power: 2.0 }.range(&seen, &spec);
        let (lo, hi) = (-f64::from(range.lo), f64::from(range.hi));
        let ratio = if spec.symmetric { lo.max(hi) } else { f64::midpoint(lo, hi) };
        println!("{spec:?}: {ratio:.3} deviations");
        assert!((ratio / 2.559 - 1.0).abs() < 0.05, "{spec:?}: {ratio}");
    }
}

/// `D(kept)` as the documentation of [`kl`] defines it, bin by bin.
fn divergence(counts: &[f64], kept: usize, levels: usize) -> f64 {
    let mut p = counts[..kept].to_vec();
    p[kept - 1] += counts[kept..].iter().sum::<f64>();
    let group = |bin: usize| bin * levels / kept;
    let mut q = vec![0.0; kept];
    for (bin, spread) in q.iter_mut().enumerate().filter(|(bin, _)| counts[*bin] > 0.0) {
        let members: Vec<f64> = (0..kept).filter(|&b| group(b) == group(bin)).map(|b| counts[b]).collect();
        let filled = members.iter().filter(|&&c| c > 0.0).count();
        *spread = members.iter().sum::<f64>() / filled as f64;
    }
    if q.iter().skip(1).all(|&q| q == 0.0) {
        (p[0], q[0]) = (0.0, 0.0);
    }
    let (all_p, all_q) = (p.iter().sum::<f64>(), q.iter().sum::<f64>().max(f64::MIN_POSITIVE));
    let term = |(p, q): (&f64, &f64)| {
        let q = if *q == 0.0 { 1e-6 } else { q / all_q };
        if *p == 0.0 { 0.0 } else { p / all_p * libm::log(p / all_p / q) }
    };
    p.iter().zip(&q).map(term).sum()
}

#[test]
fn divergences_by_running_sums_are_those_of_the_definition() {
    let mut random = Random::new(16);
    for levels in [2, 3, 8, 16] {
        for sparse in [1, 2, 5] {
            let mut count = || {
                let filled = random.bits().is_multiple_of(sparse);
                if filled { (random.bits() % 1000) as f64 } else { 0.0 }
            };
            let mut counts: Vec<f64> = (0..70).map(|_| count()).collect();
            counts[69] = 3.0;
            let found = kl::divergences(&counts, levels);
            assert_eq!(found.len(), 71 - levels);
            for (at, found) in found.iter().enumerate() {
                let expected = divergence(&counts, levels + at, levels);
                assert!((found - expected).abs() < 1e-9, "{levels} {}: {found} {expected}", levels + at);
            }
        }
    }
    // Nothing but bin 0 is kept until the outlier is.
    let lonely: Vec<f64> =
        (0..40).map(|at| if at == 0 { 1e6 } else { f64::from(u8::from(at == 39)) }).collect();
    let found = kl::divergences(&lonely, 4);
    assert!((found[0] - libm::log(1e6)).abs() < 1e-9 && found[36].abs() < 1e-9, "{found:?}");
}

#[test]
fn a_tolerance_clips_less() {
    let mut random = Random::new(17);
    for values in [random.gaussians(20_000), (0..20_000).map(|_| random.laplace().max(0.0)).collect()] {
        let seen = Observed::of(&values);
        for spec in [symmetric(8), QuantSpec::activations(8), QuantSpec::activations(4)] {
            let hi = |tolerance| Estimator::Kl { tolerance }.range(&seen, &spec).hi;
            assert!(hi(1.0) <= hi(1.3) && hi(1.3) <= hi(1.5) && hi(1.5) <= seen.range().hi);
        }
    }
}

#[test]
fn thresholds_for_known_distributions_are_those_published() {
    // Bits, then the least of the expected error in units of the deviations (Banner et al.).
    let published = [
        (2, 2.831, 1.711),
        (3, 3.897, 2.152),
        (4, 5.029, 2.559),
        (5, 6.205, 2.936),
        (6, 7.413, 3.287),
        (7, 8.646, 3.615),
        (8, 9.897, 3.924),
    ];
    for (bits, laplace, gaussian) in published {
        let rounding = |a: f64| a * a / (3.0 * libm::pow(4.0, f64::from(bits)));
        let of_laplace = |a: f64| 2.0 * libm::exp(-a) + rounding(a);
        let of_gaussian = |a: f64| {
            let root_2 = std::f64::consts::SQRT_2;
            let tail = (a * a + 1.0) * (1.0 - libm::erf(a / root_2));
            tail - (2.0 / std::f64::consts::PI).sqrt() * a * libm::exp(-a * a / 2.0) + rounding(a)
        };
        let least = |error: &dyn Fn(f64) -> f64| {
            let steps = (1..12_000).map(|i| f64::from(i) * 1e-3);
            steps.min_by(|a, b| error(*a).total_cmp(&error(*b))).unwrap()
        };
        for (found, searched, published) in [
            (laplace_clip(bits), least(&of_laplace), laplace),
            (gaussian_clip(bits), least(&of_gaussian), gaussian),
        ] {
            assert!((found - published).abs() < 1e-2, "{bits} bits: {found} {published}");
            assert!((found - searched).abs() < 1e-2, "{bits} bits: {found} {searched}");
        }
    }
}

#[test]
fn aciq_takes_the_distribution_that_fits() {
    let mut random = Random::new(18);
    let gaussian: Vec<f32> = random.gaussians(50_000).into_iter().map(|v| 2.0 * v).collect();
    let laplace: Vec<f32> = (0..50_000).map(|_| 2.0 * random.laplace()).collect();
    let relu = |values: &[f32]| values.iter().map(|v| v.max(0.0)).collect::<Vec<_>>();
    let threshold = |values: &[f32], spec: &QuantSpec| {
        let range = Estimator::Aciq.range(&Observed::of(values), spec);
        f64::from(range.hi.max(-range.lo))
    };
    let four = QuantSpec::activations(4);
    for (values, clip) in [(&gaussian, gaussian_clip as fn(u32) -> f64), (&laplace, laplace_clip)] {
        // Deviations of 50 000 values are known within a hundredth.
        let is =
            |found: f64, bits| assert!((found / (2.0 * clip(bits)) - 1.0).abs() < 0.03, "{found} at {bits}");
        is(threshold(values, &symmetric(4)), 4);
        is(threshold(values, &four), 4);
        // Half of it, on a grid with all codes there, or with half of them.
        is(threshold(&relu(values), &four), 5);
        is(threshold(&relu(values), &symmetric(4)), 4);
    }
    let shifted: Vec<f32> = gaussian.iter().map(|v| v + 3.0).collect();
    let range = Estimator::Aciq.range(&Observed::of(&shifted), &four);
    assert!((f64::midpoint(f64::from(range.lo), f64::from(range.hi)) - 3.0).abs() < 0.05, "{range:?}");
}

/// Seed 19: 10⁵ Gaussian values, and 10 outliers at 50 deviations, on both sides in turns.
#[test]
fn outliers_do_not_decide_the_range_but_for_max() {
    let mut values = Random::new(19).gaussians(100_000);
    values.extend((0..10).map(|i| if i % 2 == 0 { 50.0 } else { -50.0 }));
    let seen = Observed::of(&values);
    for spec in [symmetric(4), QuantSpec::activations(4), symmetric(8), QuantSpec::activations(8)] {
        let threshold = |estimator: Estimator| {
            let range = estimator.range(&seen, &spec);
            range.hi.max(-range.lo)
        };
        assert_eq!(threshold(Estimator::Max), 50.0);
        for estimator in estimators() {
            println!(
                "{} bits, symmetric {}, {estimator:?}: {}",
                spec.bits,
                spec.symmetric,
                threshold(estimator)
            );
        }
        for estimator in [
            Estimator::Kl { tolerance: 1.0 },
            Estimator::Kl { tolerance: 1.3 },
            Estimator::Percentile { percent: 99.99 },
            Estimator::Aciq,
        ] {
            assert!(threshold(estimator) < 10.0, "{estimator:?} at {} bits", spec.bits);
        }
        // At 8 bits steps of the whole range cost less than clipping ten values by 40 deviations:
        // 10 · 40² of 10⁵ values is 0.16 each, (100/255)²/12 is 0.013.
        if spec.bits == 4 {
            assert!(threshold(Estimator::Mse { power: 2.0 }) < 10.0);
        }
    }
}

#[test]
fn the_best_for_a_tensor_has_the_least_error_of_the_candidates() {
    let mut random = Random::new(20);
    for values in [random.gaussians(5000), (0..5000).map(|_| random.laplace().max(0.0)).collect()] {
        let seen = Observed::of(&values);
        for spec in specs() {
            let (estimator, range) = lowest_mse(&seen, &spec, GUIDELINE);
            assert_eq!(estimator.range(&seen, &spec), range);
            let error = |range| expected_error(&seen, range, &spec, 2.0).unwrap();
            for other in GUIDELINE {
                assert!(error(range) <= error(other.range(&seen, &spec)), "{other:?} for {spec:?}");
            }
        }
        let only = [Estimator::Aciq];
        assert_eq!(lowest_mse(&seen, &symmetric(4), &only).0, Estimator::Aciq);
    }
}

#[test]
fn errors_of_weights_are_those_of_their_codes() {
    let mut random = Random::new(21);
    let mut values = random.gaussians(3000);
    values.extend([0.5, 1.5, 2.5, -0.5, -1.5, -3.5, 0.0, 1e-30]);
    for spec in specs() {
        for (lo, hi) in [(-7.0, 7.0), (-1.0, 2.5), (0.0, 15.0), (-3.0, 0.0)] {
            let range = Range { lo, hi };
            for power in [2.0, 2.4] {
                let found = weights::error(&values, range, &spec, power) / values.len() as f64;
                let actual = actual_error(&values, range, &spec, power);
                // The powers are of float32 numbers, rounded once.
                assert!((found - actual).abs() <= 1e-6 * actual, "{spec:?} {range:?}: {found} {actual}");
            }
        }
    }
}

#[test]
fn groups_of_weights_are_searched_one_by_one() {
    use crate::quant::affine;
    use crate::tensor::Value;
    let mse = Estimator::Mse { power: 2.0 };
    let mut random = Random::new(23);
    for (shape, axis) in [([3, 7, 2, 2], 1), ([3, 8, 1, 2], 1), ([5, 3, 1, 1], 0), ([2, 3, 4, 5], 3)] {
        let data = random.gaussians(shape.iter().product());
        let value = Value::from_vec(&shape, data.clone()).unwrap();
        for size in [1, 3, 4, 16] {
            let granularity = Granularity::PerGroup { axis, size };
            let spec = QuantSpec { granularity, ..QuantSpec::weights(3, 0) };
            let weight = value.view::<f32>().unwrap();
            let extremes = affine::extremes(&value, granularity).unwrap();
            assert_eq!(weights::ranges(&weight, &spec, Estimator::Max), extremes, "{shape:?} by {size}");
            let found = weights::ranges(&weight, &spec, mse);
            let error = |ranges: &[Range]| {
                let params = QuantParams::of_ranges(ranges, &spec);
                let quant = crate::quant::TensorQuant { spec, params };
                let codes = affine::weight_codes(&value, &quant).unwrap();
                let real = affine::dequantized(&codes, &quant).unwrap();
                data.iter().zip(real).map(|(x, r)| f64::from(x - r).powi(2)).sum::<f64>()
            };
            // Each group by itself: as good as its extremes at least, and with three levels on each side better.
            let (least, most) = (error(&found), error(&extremes));
            assert!(
                least <= most && (size < 4 || least < 0.99 * most),
                "{shape:?} by {size}: {least} {most}"
            );
            for at in (0..found.len()).step_by(5) {
                let mut other = found.clone();
                other[at] = extremes[at];
                assert!(error(&other) >= least - 1e-12, "{shape:?} by {size}, group {at}");
            }
        }
    }
}

#[test]
fn weights_are_searched_one_by_one() {
    let mut random = Random::new(22);
    let channel: Vec<f32> = random.gaussians(200);
    let data: Vec<f32> = (1..=4).flat_map(|c| channel.iter().map(move |v| v * c as f32)).collect();
    let weight = ArrayD::from_shape_vec(IxDyn(&[4, 200]), data.clone()).unwrap();
    let spec = QuantSpec::weights(4, 0);
    let per_channel = weights::ranges(&weight.view(), &spec, Estimator::Mse { power: 2.0 });
    assert_eq!(per_channel.len(), 4);
    let error = |values: &[f32], range| weights::error(values, range, &spec, 2.0);
    for (at, &range) in per_channel.iter().enumerate() {
        let values = &data[200 * at..200 * (at + 1)];
        let whole = weights::ranges(&weight.view(), &spec, Estimator::Max)[at];
        assert!(range.hi < whole.hi || range.lo > whole.lo, "at 4 bits a Gaussian is cut");
        for i in 0..80 {
            let share = 1.0 - 0.01 * f64::from(i);
            let tried =
                Range { lo: (f64::from(whole.lo) * share) as f32, hi: (f64::from(whole.hi) * share) as f32 };
            assert!(error(values, range) <= error(values, tried), "channel {at}, share {share}");
        }
    }
    // Channels along another axis.
    let turned = weight.t();
    assert_eq!(
        weights::ranges(&turned, &QuantSpec::weights(4, 1), Estimator::Mse { power: 2.0 }),
        per_channel
    );
    let one = QuantSpec { granularity: Granularity::PerTensor, ..spec };
    for estimator in estimators() {
        let range = weights::ranges(&weight.view(), &one, estimator);
        assert!(range.len() == 1 && range[0].lo < 0.0 && range[0].hi > 0.0, "{estimator:?}");
        assert_eq!(weights::ranges(&weight.view(), &spec, estimator).len(), 4);
    }
    assert_eq!(
        weights::ranges(&ArrayD::zeros(IxDyn(&[2, 3])).view(), &spec, Estimator::Mse { power: 2.0 }),
        [Range { lo: 0.0, hi: 0.0 }; 2]
    );
}
