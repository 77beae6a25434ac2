"""Hugging Face checkpoints made small: bf16 weights in, 4-bit MLX weights out.

    source -> scan -> choice -> plan -> packer -> writer        tensor by tensor, block by block
    files, config_file                                          everything besides the weights
    quality, measuring, card                                    what it cost, told

`conversion` leads through all of it, inside a `job` that may be cut off at any moment.
"""
