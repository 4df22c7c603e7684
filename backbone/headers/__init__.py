"""What decoding an image takes, by its headers, before a decoder sees it.

`header` reads them in any format; `jpeg`, `png` and `tiff` read theirs, and `bits`, `av1` and
`hevc` what `heif` finds in the `boxes` of AVIF and HEIC files. GIF, WebP and BMP give their size,
and take no more than it says.
"""

from .header import Header, read_header

__all__ = ["Header", "read_header"]
