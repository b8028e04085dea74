"""Matrix products and convolutions: register-tiled kernels with packing and fused epilogues."""

from ingot.compiler.codegen.contract.emit import emit_contract, tile_contract

__all__ = ["emit_contract", "tile_contract"]
