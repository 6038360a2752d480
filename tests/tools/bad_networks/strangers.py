"""Files of other kinds under the name of a network."""

import gzip
import io
import json
import pickle
import struct
import zipfile


def _zip(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name.replace("__", "/")), content)
    return file.getvalue()


def cases() -> dict[str, bytes]:
    """Names and bytes."""
    tensors = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return {
        "empty": b"",
        "zeros": bytes(64),
        "noise": bytes((i * 151 + 254) % 256 for i in range(64)),
        "png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0",
        "jpeg": b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0",
        "gif": b"GIF89a\x01\0\x01\0\x80\0\0",
        "webp": b"RIFF\x10\0\0\0WEBPVP8 \x04\0\0\0",
        "pdf": b"%PDF-1.7\n1 0 obj\n",
        "zip": _zip(model__onnx=b"whatever"),
        "zip_empty": _zip(),
        "pytorch_checkpoint": _zip(**{"archive__data.pkl": pickle.dumps({"w": 1}, 2), "archive__version": b"3\n"}),
        "pytorch_checkpoint_old": pickle.dumps(0x1950A86A20F9469CFC6C, 2),
        "pickle_protocol_4": pickle.dumps({"w": 1}, 4),
        "gzip": gzip.compress(b"whatever", mtime=0),
        "keras_hdf5": b"\x89HDF\r\n\x1a\n\0\0\0\0\0\x08\x08\0",
        "tensorflow_lite": b"\x1c\0\0\0TFL3\x14\0 \0\x1c\0\x18\0",
        "ort_format": b"\x1c\0\0\0ORTM\x14\0 \0\x1c\0\x18\0",
        "safetensors": struct.pack("<Q", len(tensors)) + tensors + bytes(4),
        "gguf": b"GGUF\3\0\0\0" + bytes(16),
        "numpy": b"\x93NUMPY\x01\0v\0{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }",
        "git_lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 13631719\n",
        "web_page": b"<!DOCTYPE html>\n<html lang=en><title>Sign in</title></html>\n",
        "web_page_old": b"\n<HTML><HEAD><TITLE>404 Not Found</TITLE></HEAD></HTML>\n",
        "json": b'  {"labels": []}\n',
        "json_text_format": b'ir_version: 8\nproducer_name: "text"\ngraph {\n  name: "net"\n}\n',
        "text": b"hello\n",
        "byte_order_mark": b"\xef\xbb\xbfhello\n",
    }
