"""Networks that were cut off or damaged on their way."""

from .network import floats, model, network, node


def _replaced(whole: bytes, old: bytes, new: bytes) -> bytes:
    if whole.count(old) != 1:
        raise SystemExit(f"{old!r} is there {whole.count(old)} times")
    return whole.replace(old, new)


def _whole() -> bytes:
    return network(node("Add", "sum", "x w", "y"), weights=[floats("w", [3, 1, 1])])


def _with_part(number: int, content: bytes) -> bytes:
    """The network with one more field of the graph."""
    made = model()
    graph = made.graph.SerializeToString() + bytes([number << 3 | 2, len(content)]) + content
    made.ClearField("graph")
    size = bytes([len(graph) & 127 | 128, len(graph) >> 7])
    return made.SerializeToString() + b"\x3a" + size + graph


def cases() -> dict[str, bytes]:
    """Names and bytes."""
    whole = _whole()
    graph = whole.index(b"\x3a")
    softmax = network(node("Softmax", "soft", "x", "y", axis=1))
    return {
        "cut_after_one_byte": whole[:1],
        "cut_in_the_header": whole[:10],
        "cut_before_the_graph": whole[:graph],
        "cut_in_the_length_of_the_graph": whole[: graph + 2],
        "cut_in_a_node": whole[: whole.index(b"Add") + 2],
        "cut_in_the_weights": whole[: whole.index(b"\0\0\0?") + 6],
        "cut_before_the_opset": whole[:-4],
        "cut_by_one_byte": whole[:-1],
        "padded_with_zeros": whole + bytes(16),
        "damaged_node": _with_part(1, b"\x0a\x7f"),
        "damaged_initializer": _with_part(5, b"\x08"),
        "damaged_input": _with_part(11, b"\x0a\x05x"),
        "damaged_output": _with_part(12, b"\x12\x01\x0a"),
        "damaged_declaration": _with_part(13, b"\x0b"),
        "damaged_function": whole + b"\xca\x01\x02\x0a\x7f",
        "damaged_attribute": _replaced(softmax, b"\x0a\x04axis", b"\x0a\x7faxis"),
        "name_not_utf8": _replaced(whole, b"\x1a\x03sum", b"\x1a\x03\xff\xfe\xfd"),
        "field_of_unknown_form": whole + b"\x0f\x01",
        "length_of_ten_bytes": whole + b"\x3a" + b"\xff" * 10 + b"\x01",
        "length_beyond_memory": whole + b"\x3a" + b"\xff" * 8 + b"\x7f",
    }
