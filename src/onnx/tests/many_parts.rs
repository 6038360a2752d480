//! Files made of very many parts.

use super::fixtures::TestFile;
use crate::onnx::import;

#[test]
fn files_of_tiny_messages_are_refused_before_they_are_decoded() {
    let lists =
        [(1_u8, "nodes"), (5, "initializers"), (11, "inputs"), (12, "outputs"), (13, "declared values")];
    let mut file = TestFile::small();
    file.model.functions = vec![prost::bytes::Bytes::new(); 1 << 18];
    let error = import(&file.bytes()).unwrap_err();
    assert_eq!(error.to_string(), "This network has 262144 functions; Bitlens reads at most 131072.");
    for (field, what) in lists {
        // One repeated field, two bytes per message.
        let graph: Vec<u8> = std::iter::repeat_n([field << 3 | 2, 0], 1 << 20).flatten().collect();
        let mut file = TestFile::small();
        file.model.graph = Some(graph.into());
        let error = import(&prost::Message::encode_to_vec(&file.model)).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("This network has 1048576 {what}; Bitlens reads at most 131072.")
        );
    }
}
