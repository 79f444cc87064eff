"""The Python API, `import pbt_operator as pbt`: populations from scripts and notebooks, and what they have recorded."""
