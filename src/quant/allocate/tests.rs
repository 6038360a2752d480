use super::*;

fn layers(choices: &[&[(u64, f64)]]) -> Vec<Vec<Choice>> {
    let layer = |layer: &&[(u64, f64)]| layer.iter().map(|&(cost, loss)| Choice { cost, loss }).collect();
    choices.iter().map(layer).collect()
}

#[test]
fn bits_go_where_they_are_worth_most() {
    // The second layer loses a hundred times as much.
    let layers = layers(&[&[(2, 1.0), (4, 0.5), (8, 0.0)], &[(2, 100.0), (4, 50.0), (8, 0.0)]]);
    let best = exact(&layers, 10).unwrap();
    assert_eq!(best, Allocation { choices: vec![0, 2], cost: 10, loss: 1.0 });
    assert_eq!(lagrangian(&layers, 10).unwrap(), best);
    assert_eq!(greedy(&layers, 10).unwrap(), best);
    assert_eq!(uniform(&layers, 10).unwrap().loss, 50.5);
}

#[test]
fn a_choice_inside_the_hull_is_found_by_the_exact_search_alone() {
    // The middle choices lie above the line between the others, so no price makes a layer take them.
    let layers = layers(&[&[(0, 10.0), (5, 6.0), (10, 0.0)], &[(0, 10.0), (5, 6.0), (9, 5.0)]]);
    assert_eq!(exact(&layers, 10).unwrap().loss, 10.0);
    let layers = self::layers(&[&[(0, 10.0), (6, 5.9), (11, 0.0)], &[(0, 10.0), (4, 9.0), (11, 0.1)]]);
    let best = exact(&layers, 10).unwrap();
    assert_eq!(best.choices, [1, 1]);
}

#[test]
fn what_has_no_answer_is_refused() {
    let layers = layers(&[&[(5, 0.0)], &[(6, 0.0)]]);
    assert_eq!(exact(&layers, 10), Err(AllocationError::Budget { budget: 10, least: 11 }));
    assert_eq!(greedy(&layers, 11).unwrap().cost, 11);
    let nothing = vec![vec![Choice { cost: 1, loss: 0.0 }], Vec::new()];
    assert_eq!(lagrangian(&nothing, 10), Err(AllocationError::NoChoice { layer: 1 }));
    assert_eq!(exact(&[], 0).unwrap().choices, Vec::<usize>::new());
}

#[test]
fn a_loss_that_is_no_number_is_avoided() {
    let layers = layers(&[&[(1, f64::NAN), (2, 3.0)], &[(1, f64::INFINITY), (2, f64::INFINITY)]]);
    for way in [greedy, lagrangian, exact] {
        assert_eq!(way(&layers, 4).unwrap().choices[0], 1);
    }
}

#[test]
fn many_layers_of_odd_sizes_are_allocated_within_the_budget() {
    // 60 layers whose costs have no common unit, so that states are thinned.
    let layer = |at: u64| {
        let size = 1_000_003 * (at + 1) + 7919 * (at % 13);
        let choice = |bits: u64| Choice {
            cost: size * bits,
            loss: (1.0 + (at % 7) as f64) * libm::exp2(-2.0 * bits as f64),
        };
        (2..=8).map(choice).collect::<Vec<_>>()
    };
    let layers: Vec<_> = (0..60).map(layer).collect();
    let budget = uniform(&layers, u64::MAX).unwrap().cost * 9 / 16;
    let (best, rough) = (exact(&layers, budget).unwrap(), lagrangian(&layers, budget).unwrap());
    assert!(best.cost <= budget && rough.cost <= budget);
    assert!(best.loss <= rough.loss && rough.loss <= uniform(&layers, budget).unwrap().loss);
    assert!(best.loss < 0.9 * uniform(&layers, budget).unwrap().loss);
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use super::super::*;
    use proptest::prelude::*;

    fn small() -> impl Strategy<Value = Vec<Vec<Choice>>> {
        let choice = (0_u64..40, 0.0..10.0_f64).prop_map(|(cost, loss)| Choice { cost, loss });
        (1_usize..5).prop_flat_map(move |width| {
            prop::collection::vec(prop::collection::vec(choice.clone(), width), 1..6)
        })
    }

    /// Every combination.
    fn oracle(layers: &[Vec<Choice>], budget: u64) -> Option<f64> {
        let mut all = vec![Vec::new()];
        for layer in layers {
            let with = |before: &Vec<usize>| {
                let more = |choice| before.iter().copied().chain([choice]).collect::<Vec<_>>();
                (0..layer.len()).map(more).collect::<Vec<_>>()
            };
            all = all.iter().flat_map(with).collect();
        }
        let all = all.into_iter().map(|choices| Allocation::of(layers, choices));
        all.filter(|found| found.cost <= budget).map(|found| found.loss).min_by(f64::total_cmp)
    }

    proptest! {
        #[test]
        fn exact_is_least_and_lagrangian_lies_between_it_and_uniform(layers in small(), budget in 0_u64..150) {
            match oracle(&layers, budget) {
                None => {
                    for way in [greedy, lagrangian, exact] {
                        let refused = matches!(way(&layers, budget), Err(AllocationError::Budget { .. }));
                        prop_assert!(refused);
                    }
                }
                Some(least) => {
                    let best = exact(&layers, budget).unwrap();
                    let rough = lagrangian(&layers, budget).unwrap();
                    for found in [&best, &rough, &greedy(&layers, budget).unwrap()] {
                        prop_assert!(found.cost <= budget);
                        prop_assert_eq!(found, &Allocation::of(&layers, found.choices.clone()));
                    }
                    // The sums are of the same numbers in the same order.
                    prop_assert!((best.loss - least).abs() <= 1e-12 * (1.0 + least));
                    prop_assert!(best.loss <= rough.loss);
                    if let Some(uniform) = uniform(&layers, budget) {
                        prop_assert!(rough.loss <= uniform.loss);
                    }
                }
            }
        }
    }
}
