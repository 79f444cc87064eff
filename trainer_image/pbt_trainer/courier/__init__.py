"""The helper process of a trainer: it claims, uploads, downloads and watches for the next birth."""
