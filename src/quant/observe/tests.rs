use super::testing::Random;
use super::*;
use crate::exec::Probe as _;
use crate::ir::GraphBuilder;
use crate::ops::{MatMul, Relu};
use crate::tensor::{DType, Shape, TensorType, Value};
use wasm_bindgen_test::wasm_bindgen_test;

/// Values of all magnitudes that float32 has, both signs, zeros of both signs.
fn awkward(random: &mut Random, count: usize) -> Vec<f32> {
    let value = |bits: u64| match bits % 8 {
        0 => 0.0,
        1 => -0.0,
        2 => f32::from_bits((bits >> 40) as u32 & 0x7f_ffff), // subnormal
        _ => f32::from_bits((bits >> 32) as u32),
    };
    let next = || value(random.bits());
    std::iter::repeat_with(next).filter(|v| v.is_finite()).take(count).collect()
}

/// Counts as the documentation of [`Histogram`] defines them.
fn counted(values: &[f32]) -> Histogram {
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(f64::from(v.abs())));
    let mut exponent = histogram::LEAST_EXPONENT;
    while largest >= BINS as f64 * libm::exp2(f64::from(exponent)) {
        exponent += 1;
    }
    let mut sides = [Vec::new(), Vec::new()];
    for v in values.iter().filter(|&&v| v != 0.0) {
        let side: &mut Vec<u64> = &mut sides[usize::from(*v < 0.0)];
        side.resize(BINS, 0);
        side[(f64::from(v.abs()) / libm::exp2(f64::from(exponent))) as usize] += 1;
    }
    let zeros = values.iter().filter(|&&v| v == 0.0).count() as u64;
    Histogram::from_parts(exponent, zeros, sides)
}

#[wasm_bindgen_test(unsupported = test)]
fn counts_are_those_of_the_definition() {
    let mut random = Random::new(1);
    let powers: Vec<f32> = (-149..128).map(|e| libm::exp2(f64::from(e)) as f32).collect();
    let mut samples = vec![
        vec![0.0; 5],
        vec![-0.0],
        vec![1.0],
        vec![-3.5; 9],
        vec![f32::MIN, f32::MAX, f32::MIN_POSITIVE],
        vec![1e-45, -1e-45, 0.0],
        powers.iter().chain(powers.iter().rev()).map(|p| -p).collect(),
        powers,
    ];
    for count in [1, 2, 3, 100, 5000, 9001] {
        samples.push(random.gaussians(count));
        samples.push(awkward(&mut random, count));
        samples.push(random.gaussians(count).into_iter().map(|v| v.max(0.0)).collect());
    }
    for values in samples {
        let found = Observed::of(&values);
        assert_eq!(found.histogram(), Some(&counted(&values)), "{:?}", &values[..values.len().min(9)]);
        assert_eq!(found.histogram().unwrap().total(), values.len() as u64);
        let min = values.iter().copied().reduce(f32::min).unwrap();
        let max = values.iter().copied().reduce(f32::max).unwrap();
        assert_eq!(found.extremes(), Some(Extremes { min, max }));
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn the_largest_magnitude_is_in_the_upper_half_of_the_bins() {
    let mut random = Random::new(2);
    for _ in 0..200 {
        let value = f32::from_bits((random.bits() >> 33) as u32);
        if value.is_finite() && value >= 1024.0 * f32::MIN_POSITIVE {
            let seen = Observed::of(&[-value, 0.0]);
            let at = seen.histogram().unwrap().negative().iter().position(|&count| count > 0).unwrap();
            assert!((BINS / 2..BINS).contains(&at), "{value} is in bin {at}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_not_finite_is_not_hidden() {
    let extremes = |values: &[f32]| Observed::of(values).extremes();
    let mut many = vec![0.5; 10_000];
    for (at, nan) in [(0, f32::NAN), (4097, -f32::NAN), (9_999, f32::NAN)] {
        let before = std::mem::replace(&mut many[at], nan);
        let found = extremes(&many).unwrap();
        assert!(found.min.is_nan() && found.max.is_nan(), "at {at}");
        many[at] = before;
    }
    many[5000] = f32::NEG_INFINITY;
    assert_eq!(extremes(&many), Some(Extremes { min: f32::NEG_INFINITY, max: 0.5 }));
    assert_eq!(extremes(&[f32::INFINITY]), Some(Extremes { min: f32::INFINITY, max: f32::INFINITY }));
    assert_eq!(extremes(&[]), None);
    // A picture with NaN is not forgotten over one without.
    let nan = Extremes { min: f32::NAN, max: f32::NAN };
    let fine = Extremes { min: 0.0, max: 1.0 };
    assert!(nan.and(fine).max.is_nan() && fine.and(nan).min.is_nan());
}

/// `x → MatMul → Relu`, of which a plan asks for `x` alone; then the numbers of these three values.
fn network() -> (Graph, [ValueId; 3]) {
    let mut builder = GraphBuilder::new("g");
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 2])));
    let weight = builder.constant("w", Value::from_vec(&[2, 2], vec![1.0_f32; 4]).unwrap());
    let y = builder.op("product", MatMul { clamp: None }.into(), &[x, weight]);
    let z = builder.op("relu", Relu.into(), &[y]);
    builder.output(z);
    (crate::passes::infer_types(&builder.finish().unwrap()).unwrap(), [x, y, z])
}

fn row(values: &[f32]) -> Value {
    Value::from_vec(&[1, values.len()], values.to_vec()).unwrap()
}

#[test]
fn only_what_a_plan_can_ask_for_is_counted() {
    let (graph, [x, y, z]) = network();
    let mut calibrator = Calibrator::new(&graph);
    for id in [x, y, z] {
        calibrator.observe(id, &row(&[1.0, -2.0]));
    }
    calibrator.finish_run(0);
    let found = calibrator.finish(&graph).unwrap();
    let seen = [x, y, z].map(|id| found.get(id).unwrap());
    assert_eq!(seen.map(|seen| seen.histogram().is_some()), [true, false, false]);
    assert!(seen.iter().all(|seen| seen.extremes() == Some(Extremes { min: -2.0, max: 1.0 })));
    let others = graph.values().filter(|(id, _)| ![x, y, z].contains(id));
    assert!(others.map(|(id, _)| found.get(id)).all(|seen| seen.is_none()), "constants");
}

#[test]
fn extremes_come_in_the_order_of_the_pictures() {
    let (graph, [x, y, _]) = network();
    let watch = |pictures: &[usize]| {
        let mut calibrator = Calibrator::new(&graph);
        for &picture in pictures {
            calibrator.observe(x, &row(&[picture as f32, -1.0]));
            if picture == 4 {
                calibrator.observe(y, &row(&[7.0, 8.0]));
            }
            calibrator.finish_run(picture);
        }
        calibrator.statistics().clone()
    };
    let whole = watch(&[1, 2, 4, 7]);
    assert_eq!(whole.pictures(), [1, 2, 4, 7]);
    let largest: Vec<f32> = whole.get(x).unwrap().runs().map(|run| run.max).collect();
    assert_eq!(largest, [1.0, 2.0, 4.0, 7.0]);
    assert_eq!(whole.get(y).unwrap().runs().count(), 1);
    assert_eq!(watch(&[7, 4, 1, 2]), whole);
    for parts in [[&[4, 1][..], &[7, 2][..]], [&[2], &[7, 1, 4]], [&[], &[1, 2, 4, 7]]] {
        for parts in [parts, [parts[1], parts[0]]] {
            let mut all = Statistics::none(&graph);
            for part in parts {
                all.merge(&watch(part)).unwrap();
            }
            assert_eq!(all, whole, "{parts:?}");
        }
    }
}

#[test]
fn a_picture_that_makes_nan_is_refused_whoever_saw_it() {
    let (graph, [x, ..]) = network();
    let watch = |picture: usize, value: f32| {
        let mut calibrator = Calibrator::new(&graph);
        calibrator.observe(x, &row(&[value, 1.0]));
        calibrator.finish_run(picture);
        calibrator.statistics().clone()
    };
    let mut all = watch(3, f32::NAN);
    all.merge(&watch(1, 0.0)).unwrap();
    assert!(matches!(all.check(&graph), Err(QuantError::NotFinite { value, .. }) if value == "x"));
    assert_eq!(Statistics::none(&graph).check(&graph), Err(QuantError::NoCalibration));
}

#[test]
fn rows_survive_being_sent_and_are_small() {
    let mut random = Random::new(3);
    let mut rows: Vec<Observed> = Vec::new();
    for count in [0, 1, 7, 300, 100_000] {
        rows.push(Observed::of(&random.gaussians(count)));
        rows.push(Observed::of(&awkward(&mut random, count)));
        rows.push(Observed { histogram: None, ..Observed::of(&random.gaussians(count)) });
        rows.push(Observed::of(&vec![0.0; count]));
        let halves = random.gaussians(count).into_iter().map(|v| v.max(0.0));
        rows.push(Observed::of(&halves.collect::<Vec<_>>()));
    }
    rows.push(Observed { runs: vec![Extremes::NONE; 3], histogram: None });
    for row in &rows {
        let json = serde_json::to_string(row).unwrap();
        let bytes: Vec<u8> = serde_json::from_str(&json).unwrap();
        assert_eq!(&serde_json::from_str::<Observed>(&json).unwrap(), row);
        // Two bytes a bin hold any count here.
        assert!(bytes.len() <= 2 * 2 * BINS + 64, "{} bytes", bytes.len());
    }
    let sparse = serde_json::to_string(&Observed::of(&[1.0, 2.0, -3.0])).unwrap();
    assert!(serde_json::from_str::<Vec<u8>>(&sparse).unwrap().len() < 40, "{sparse}");
}

#[test]
fn bytes_that_are_no_row_are_refused() {
    let mut random = Random::new(4);
    let read = |bytes: &[u8]| {
        serde_json::from_str::<Observed>(&serde_json::to_string(bytes).unwrap()).map_err(|e| e.to_string())
    };
    let good: Vec<u8> =
        serde_json::from_str(&serde_json::to_string(&Observed::of(&random.gaussians(400))).unwrap()).unwrap();
    assert!(read(&good).is_ok());
    for end in 0..good.len() {
        let error = read(&good[..end]).unwrap_err();
        assert!(error.starts_with("this is not what calibration finds"), "{error}");
    }
    assert!(read(&[&good[..], &[0]].concat()).is_err());
    for _ in 0..2000 {
        let mut bytes = good.clone();
        let at = (random.bits() % bytes.len() as u64) as usize;
        bytes[at] = random.bits() as u8;
        if let Ok(row) = read(&bytes) {
            assert!(row.histogram().is_none_or(|counts| counts.total() <= 1 << 48));
        }
    }
    // As many runs, or empty bins, as nothing can hold.
    assert!(read(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0]).is_err());
    assert!(read(&[0, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0]).is_err());
    let json = r#"{"pictures":[1],"rows":[[0,0]]}"#;
    let error = serde_json::from_str::<Statistics>(json).unwrap_err().to_string();
    assert!(error.contains("do not have extremes of every picture"), "{error}");
    let error = serde_json::from_str::<Statistics>(r#"{"pictures":[2,1],"rows":[]}"#).unwrap_err();
    assert!(error.to_string().contains("not in order"), "{error}");
}

/// Exact moments about a number.
fn exact(values: &[f32], about: f64) -> [f64; 2] {
    let mean = |power: &dyn Fn(f64) -> f64| {
        values.iter().map(|&v| power(f64::from(v) - about)).sum::<f64>() / values.len() as f64
    };
    [mean(&f64::abs), mean(&|d| d * d).sqrt()]
}

#[test]
fn moments_are_within_their_bounds() {
    let mut random = Random::new(5);
    for shift in [0.0, 3.0, -40.0] {
        let mut values: Vec<f32> = random.gaussians(3000).into_iter().map(|v| v + shift).collect();
        values.extend([0.0; 500]);
        let seen = Observed::of(&values);
        let width = seen.histogram().unwrap().width();
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
        let found = Moments::about_mean(&seen).unwrap();
        let [deviation, sigma] = exact(&values, mean);
        assert_eq!(found.count, values.len() as u64);
        assert!((found.mean - mean).abs() <= width / 2.0);
        assert!((found.sigma - sigma).abs() <= width / 2.0);
        assert!((found.deviation - deviation).abs() <= width);
        let [deviation, sigma] = exact(&values, 0.0);
        let found = Moments::about_zero(&seen).unwrap();
        assert!(
            (found.sigma - sigma).abs() <= width / 2.0 && (found.deviation - deviation).abs() <= width / 2.0
        );
        let [deviation, _] = exact(&values[..3000], 0.0);
        let found = Moments::mirrored(&seen).unwrap();
        assert!((found.deviation - deviation).abs() <= width / 2.0);
    }
}

#[test]
fn kurtosis_tells_distributions_apart() {
    let mut random = Random::new(6);
    let kurtosis = |values: &[f32]| Moments::about_mean(&Observed::of(values)).unwrap().kurtosis;
    // Standard errors √(24/n) = 0.015 and about 0.3: the fourth moment of Laplace's varies more.
    assert!((kurtosis(&random.gaussians(100_000)) - 3.0).abs() < 0.06);
    let laplace: Vec<f32> = (0..100_000).map(|_| random.laplace()).collect();
    assert!((kurtosis(&laplace) - 6.0).abs() < 1.0);
    assert_eq!(kurtosis(&[2.5; 10]), 0.0);
    assert!(Moments::about_mean(&Observed::of(&[])).is_none());
    assert!(Moments::mirrored(&Observed::of(&[0.0; 4])).is_none());
}

#[test]
fn bins_are_in_order_and_end_at_the_extremes() {
    let mut random = Random::new(7);
    let values = random.gaussians(5000);
    let seen = Observed::of(&values);
    let bins: Vec<Bin> = seen.bins().collect();
    let Extremes { min, max } = seen.extremes().unwrap();
    assert_eq!((bins[0].lo, bins[bins.len() - 1].hi), (f64::from(min), f64::from(max)));
    assert!(bins.is_sorted_by(|a, b| a.hi <= b.lo) && bins.iter().all(|bin| bin.lo < bin.hi));
    for bin in &bins[1..bins.len() - 1] {
        let inside = |v: &&f32| (bin.lo..=bin.hi).contains(&f64::from(**v));
        assert_eq!(values.iter().filter(inside).count() as u64, bin.count);
    }
    let one = Observed::of(&[2.5; 3]);
    assert_eq!(one.bins().collect::<Vec<_>>(), [Bin { lo: 2.5, hi: 2.5, count: 3 }]);
}
