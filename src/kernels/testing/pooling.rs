//! Pooling against the reference: equal, bit for bit.

use super::{Cases, far_reaching_windows};
use crate::kernels::isa::Isa;
use crate::kernels::layout::Window2d;
use crate::kernels::{
    AveragePoolU8, Pool2dGeometry, PoolDivisor, average_pool_u8, max_pool_f32, max_pool_u8, reference,
};

fn geometries(seed: u64) -> Vec<Pool2dGeometry> {
    let mut cases = Cases::new(seed);
    let channels = [1, 3, 4, 15, 16, 17, 33, 40];
    (0..160).map(|i| Pool2dGeometry::new(1 + i % 2, channels[i % 8], cases.window()).unwrap()).collect()
}

pub(crate) fn max_pooling_equals_the_reference(isa: Isa) {
    max_pooling_equals(isa, &geometries(32));
}

fn max_pooling_equals(isa: Isa, geometries: &[Pool2dGeometry]) {
    let mut cases = Cases::new(31);
    for geometry in geometries {
        let input = cases.codes(geometry.input_len());
        let (mut actual, mut expected) = (vec![1; geometry.output_len()], vec![2; geometry.output_len()]);
        max_pool_u8(isa, geometry, &input, &mut actual).unwrap();
        reference::max_pool_u8(geometry, &input, &mut expected);
        assert_eq!(actual, expected, "{geometry:?}");
    }
}

pub(crate) fn max_pooling_of_reals_equals_the_reference(isa: Isa) {
    max_pooling_of_reals_equals(isa, &geometries(36));
}

fn max_pooling_of_reals_equals(isa: Isa, geometries: &[Pool2dGeometry]) {
    let mut cases = Cases::new(35);
    for geometry in geometries {
        let mut input = cases.reals(geometry.input_len());
        for _ in 0..input.len() / 50 {
            let at = cases.between(0, input.len() - 1);
            input[at] = cases.pick(&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY]);
        }
        let (mut actual, mut expected) = (vec![1.0; geometry.output_len()], vec![2.0; geometry.output_len()]);
        max_pool_f32(isa, geometry, &input, &mut actual).unwrap();
        reference::max_pool_f32(geometry, &input, &mut expected);
        let same = |(a, b): (&f32, &f32)| a == b || (a.is_nan() && b.is_nan());
        assert!(actual.iter().zip(&expected).all(same), "{geometry:?}");
    }
}

pub(crate) fn average_pooling_equals_the_reference(isa: Isa) {
    average_pooling_equals(isa, &geometries(34));
}

fn average_pooling_equals(isa: Isa, geometries: &[Pool2dGeometry]) {
    let mut cases = Cases::new(33);
    for geometry in geometries {
        let input = cases.codes(geometry.input_len());
        let padded = PoolDivisor::Padded { pad_end: [cases.between(0, 3), cases.between(0, 3)] };
        let average = AveragePoolU8 {
            input_zero_point: cases.code(),
            multiplier: cases.real() * 2.0,
            zero_point: cases.code(),
            min: 2,
            max: 251,
            divisor: cases.pick(&[PoolDivisor::Valid, padded]),
        };
        let (mut actual, mut expected) = (vec![1; geometry.output_len()], vec![2; geometry.output_len()]);
        average_pool_u8(isa, geometry, &input, &average, &mut actual).unwrap();
        reference::average_pool_u8(geometry, &input, &average, &mut expected);
        assert_eq!(actual, expected, "{geometry:?} {average:?}");
    }
}

pub(crate) fn taps_far_apart_pool_as_the_reference(isa: Isa) {
    let of = |window| Pool2dGeometry::new(1, 3, window).unwrap();
    let geometries: Vec<_> = far_reaching_windows().into_iter().map(of).collect();
    max_pooling_equals(isa, &geometries);
    max_pooling_of_reals_equals(isa, &geometries);
    average_pooling_equals(isa, &geometries);
}

/// Going through all the taps would take days.
pub(crate) fn windows_far_beyond_the_input_end_at_once(isa: Isa) {
    let (far, one) = ([1 << 30; 2], [1; 2]);
    let window = Window2d {
        input: [2, 3],
        output: one,
        kernel: far,
        stride: one,
        dilation: one,
        pad_begin: [1 << 29; 2],
    };
    let geometry = Pool2dGeometry::new(1, 1, window).unwrap();
    let mut code = [0];
    max_pool_u8(isa, &geometry, &[3, 5, 2, 7, 4, 1], &mut code).unwrap();
    assert_eq!(code, [7]);
    let mut real = [0.0];
    max_pool_f32(isa, &geometry, &[0.3, 0.5, -0.2, 0.7, 0.4, 0.1], &mut real).unwrap();
    assert_eq!(real, [0.7]);
    let average = AveragePoolU8 {
        input_zero_point: 1,
        multiplier: 1.0,
        zero_point: 10,
        min: 0,
        max: 255,
        divisor: PoolDivisor::Valid,
    };
    average_pool_u8(isa, &geometry, &[3, 5, 2, 7, 4, 3], &average, &mut code).unwrap();
    assert_eq!(code, [13]);
}

pub(crate) fn global_average_pooling_of_extremes_is_exact(isa: Isa) {
    let geometry = Pool2dGeometry::global(2, 19, [13, 17]).unwrap();
    for (code, input_zero_point) in [(255, 0), (0, 255), (128, 128)] {
        let input = vec![code; geometry.input_len()];
        let average = AveragePoolU8 {
            input_zero_point,
            multiplier: 1.0,
            zero_point: input_zero_point,
            min: 0,
            max: 255,
            divisor: PoolDivisor::Valid,
        };
        let mut out = vec![1; geometry.output_len()];
        average_pool_u8(isa, &geometry, &input, &average, &mut out).unwrap();
        assert_eq!(out, vec![code; geometry.output_len()]);
    }
}
