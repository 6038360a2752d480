"""The bundled sample: pictures drawn here, two small networks trained on them.

`colour` and `shapes` draw one object, `scenes` puts it on a background and
knows its mask, `nets` defines the two networks, `training` fits them and
`onnx_export` writes them as ONNX. `make_sample.py` beside this folder runs all.
"""
