"""Networks whose weights are not what they say, in the file or beside it."""

import struct

from onnx import TensorProto, external_data_helper, helper

from .network import IMAGE, floats, network, node, spoilt


def _weight(tensor: TensorProto) -> bytes:
    """`x + w`, with that `w`."""
    tensor.name = "w"
    return network(node("Add", "sum", "x w", "y"), weights=[tensor])


def _raw(dims, content: bytes = b"", kind: int = TensorProto.FLOAT) -> bytes:
    return _weight(TensorProto(dims=dims, data_type=kind, raw_data=content))


def _typed(dims, kind: int = TensorProto.FLOAT, **fields) -> bytes:
    return _weight(TensorProto(dims=dims, data_type=kind, **fields))


def _outside(dims=(3, 1, 1), **place) -> bytes:
    tensor = TensorProto(dims=dims, data_type=TensorProto.FLOAT, raw_data=b"")
    external_data_helper.set_external_data(tensor, **({"location": "external.onnx.data"} | place))
    tensor.ClearField("raw_data")
    return _weight(tensor)


def _outside_number(key: str, text: str) -> bytes:
    tensor = TensorProto(dims=[3, 1, 1], data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
    for name, content in {"location": "external.onnx.data", key: text}.items():
        tensor.external_data.add(key=name, value=content)
    return _weight(tensor)


def _external() -> dict[str, bytes]:
    return {
        "external.onnx.data": struct.pack("<4f", 1, 2, 3, float("nan")),
        "external_missing": _outside(location="nowhere.data"),
        "external_several_missing": network(
            node("Add", "sum", "x w", "a"),
            node("Add", "more", "a v", "y"),
            weights=[
                helper.make_tensor("unused", TensorProto.FLOAT, [1], [0]),
                *_elsewhere(w="one.data", v="two.data"),
            ],
        ),
        "external_path_up": _outside(location="../secrets.data"),
        "external_path_absolute": _outside(location="/etc/passwd"),
        "external_path_drive": _outside(location="C:\\secrets.data"),
        "external_path_empty": _outside(location=""),
        "external_offset_beyond_the_end": _outside(offset=16),
        "external_offset_largest_number": _outside_number("offset", str(2**64 - 1)),
        "external_offset_negative": _outside_number("offset", "-4"),
        "external_offset_no_number": _outside_number("offset", "four"),
        "external_length_no_number": _outside_number("length", "9" * 23),
        "external_too_short": _outside(dims=[5, 1, 1]),
        "external_other_length": _outside(length=16),
        "external_not_finite": _outside(offset=4),
        "external_dims_huge": _outside(dims=[1 << 40]),
        "external_dims_overflow": _outside(dims=[2**63 - 1, 2**63 - 1], length=16),
    }


def _elsewhere(**files: str) -> list[TensorProto]:
    tensors = [TensorProto(name=name, dims=[1], data_type=1, raw_data=b"") for name in files]
    for tensor, location in zip(tensors, files.values(), strict=True):
        external_data_helper.set_external_data(tensor, location)
        tensor.ClearField("raw_data")
    return tensors


def _constants() -> dict[str, bytes]:
    def of(**attributes) -> bytes:
        return network(node("Constant", "const", "", "c", **attributes), node("Add", "sum", "x c", "y"))

    nan = helper.make_tensor("", TensorProto.FLOAT, [1], [float("nan")])
    sparse = helper.make_sparse_tensor(floats("v", [1]), helper.make_tensor("i", TensorProto.INT64, [1], [0]), [3])
    return {
        "constant_nothing": of(),
        "constant_two_values": of(value_int=1, value_float=1.0),
        "constant_text": of(value_string="hi"),
        "constant_unknown_attribute": of(number=1),
        "constant_not_finite": of(value=nan),
        "constant_sparse": of(sparse_value=sparse),
    }


def cases() -> dict[str, bytes]:
    """Names and bytes."""
    nan, infinity = float("nan"), float("inf")
    values = floats("thin", [1])
    indices = helper.make_tensor("", TensorProto.INT64, [1], [0])
    sparse = helper.make_sparse_tensor(values, indices, [3])
    return {
        "weights_too_few": _typed([3, 1, 1], float_data=[1, 2]),
        "weights_too_many": _typed([1], float_data=[1, 2]),
        "weights_none": _typed([3, 1, 1]),
        "weights_too_few_bytes": _raw([3, 1, 1], bytes(11)),
        "weights_too_many_bytes": _raw([3, 1, 1], bytes(16)),
        "weights_int4_too_few_bytes": _raw([3, 1, 1], bytes(1), TensorProto.INT4),
        "weights_in_the_field_of_another_type": _typed([1], int64_data=[1]),
        "dims_negative": _typed([-1], float_data=[1]),
        "dims_huge": _typed([1 << 40]),
        "dims_huge_bytes": _raw([1 << 40], bytes(4)),
        "dims_overflow": _raw([2**63 - 1, 2**63 - 1], bytes(4)),
        "element_beyond_uint8": _typed([2], TensorProto.UINT8, int32_data=[3, 256]),
        "element_beyond_int8": _typed([1], TensorProto.INT8, int32_data=[-129]),
        "weights_texts": _typed([1], TensorProto.STRING, string_data=[b"hi"]),
        "weights_complex": _typed([1], TensorProto.COMPLEX64, float_data=[1, 0]),
        "weights_of_no_type": _typed([1], TensorProto.UNDEFINED, float_data=[1]),
        "weights_of_unknown_type": _typed([1], 99, float_data=[1]),
        "weights_not_a_number": _typed([2, 1, 1], float_data=[1, nan]),
        "weights_infinite": _typed([3, 1, 1], float_data=[-infinity, 0, infinity]),
        "weights_half_not_a_number": _raw([2], b"\0\0\0\x7e", TensorProto.FLOAT16),
        "weights_bfloat_not_a_number": _raw([2], b"\0\0\xc0\x7f", TensorProto.BFLOAT16),
        "weights_sparse": spoilt(lambda made: made.graph.sparse_initializer.append(sparse)),
        "weights_as_the_picture": spoilt(lambda made: made.graph.initializer.append(floats("x", IMAGE))),
        **_external(),
        **_constants(),
    }
