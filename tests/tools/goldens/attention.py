"""Attention and what turns its queries and keys."""

import numpy as np
from onnx import helper

from .case import Case, Net

HEADS = {"q_num_heads": 2, "kv_num_heads": 2}


def _block() -> Case:
    net = Net("attention_packed", 23)
    tokens = net.input((2, 5, 8), ("batch", 5, 8))
    parts = [net.node("MatMul", tokens, net.random(8, 8)) for _ in range(3)]
    y = net.node("Attention", *parts, is_causal=1, **HEADS)
    net.output(net.node("Add", tokens, net.node("MatMul", y, net.random(8, 8))))
    return net.case("heads packed into the last axis, as in a block of a vision transformer; a causal mask")


def _shared() -> Case:
    net = Net("attention_shared_heads", 23)
    query = net.input((2, 4, 3, 5), ("batch", 4, 3, 5))
    key, value = (net.input((2, 2, 6, size), ("batch", 2, 6, size), name) for size, name in ((5, "key"), (4, "value")))
    mask = net.weight(net.rng.integers(0, 2, (3, 6)).astype(bool) | np.eye(3, 6, dtype=bool))
    y, scores = "y", "scores"
    inputs, outputs = [query, key, value, mask], [y, "", "", scores]
    net.nodes.append(helper.make_node("Attention", inputs, outputs, name="attention", scale=0.3, softcap=1.5))
    net.output(y, scores)
    return net.case("two heads of queries for one of keys, a mask of Booleans, a softcap, scores as an output")


def _turned() -> Case:
    net = Net("attention_rotary", 23)
    places = np.arange(5)[:, None] / 3.0 ** np.arange(2)
    caches = [net.weight(of(places).astype(np.float32)) for of in (np.cos, np.sin)]
    tokens = net.input((1, 5, 12))
    ids = net.weight(np.array([[0, 1, 2, 3, 4]], np.int64))
    attributes = dict(num_heads=2, rotary_embedding_dim=4, interleaved=1)
    turned = [net.node("RotaryEmbedding", tokens, *caches, ids, **attributes) for _ in range(2)]
    net.output(net.node("Attention", *turned, tokens, **HEADS))
    return net.case("places turn the first four of six numbers of each head, neighbours in pairs")


def cases() -> list[Case]:
    """The cases of this module."""
    return [_block(), _shared(), _turned()]
