//! What a session remembers, and what it says of files that were quantized before.

use std::fs;

use bitlens::ops::Isa;
use bitlens::session::view::{LayerPath, LayerView};
use bitlens::session::{Network, QuantizedNetwork};

use crate::support::{SAMPLES, bits, data_folder, quantized_sample};

/// The layers of a file that is opened as the network itself.
fn layers_of_file(bytes: Vec<u8>) -> Vec<LayerView> {
    let network = Network::load("quantized.onnx", bytes, Isa::best()).unwrap();
    assert!(network.view().quantized);
    QuantizedNetwork::opened(&network, Isa::best()).unwrap().layers().to_vec()
}

#[test]
fn a_file_opened_again_lists_the_layers_it_was_made_of() {
    for network in SAMPLES {
        for recipe in [bits(8, 8), bits(4, 8), bits(8, 3), bits(2, 2)] {
            let (_, quantized) = quantized_sample(network, &recipe);
            let mut before = quantized.layers().to_vec();
            assert!(before.len() > 10 && before.iter().any(|layer| layer.weight_sqnr_db.is_some()));
            // What the weights were in full precision is not in the file.
            before.iter_mut().for_each(|layer| layer.weight_sqnr_db = None);
            let after = layers_of_file(quantized.file().to_vec());
            assert_eq!(after, before, "{network} {}", recipe.label());
        }
    }
}

#[test]
fn bytes_of_layers_are_those_of_the_file() {
    for network in SAMPLES {
        let (session, quantized) = quantized_sample(network, &bits(8, 8));
        assert!(!session.network().unwrap().view().quantized);
        let sum: usize = quantized.layers().iter().map(|layer| layer.size_bytes.quantized).sum();
        // What remains is structure: names, shapes, scales of activations.
        let nodes = quantized.graph().node_count();
        assert!(
            sum < quantized.file().len() && sum + 400 * nodes > quantized.file().len(),
            "{network}: {sum}"
        );
    }
}

#[test]
fn a_file_that_others_quantized_lists_its_layers() {
    let Some(data) = data_folder() else { return };
    for (name, layers) in [("resnet20_qdq", 20), ("mobilenet_v1_0.25_224_qdq", 28)] {
        let bytes = fs::read(data.join(format!("models/quantized/{name}.onnx"))).unwrap();
        let found = layers_of_file(bytes);
        assert_eq!(found.len(), layers, "{name}");
        for layer in &found {
            assert_eq!((layer.weight_bits, layer.activation_bits), (8, 8), "{name}: {}", layer.name);
            assert!(layer.size_bytes.quantized < layer.size_bytes.full, "{name}: {}", layer.name);
        }
        let on_integers = found.iter().filter(|layer| layer.path == LayerPath::Int8).count();
        assert!(2 * on_integers > layers, "{name}: {on_integers} layers on integers");
        let ranged = found.iter().filter_map(|layer| layer.output_range);
        assert!(
            ranged.clone().count() + 1 >= layers && ranged.clone().all(|[low, high]| low < high),
            "{name}"
        );
    }
}
