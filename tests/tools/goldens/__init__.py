"""Golden cases: small models with the outputs that onnxruntime gives.

`case` holds the builder; every other module returns a list of cases on one
subject. To add a case, add a function there and name it in that list.
"""
