"""The audience of a talk: phones that paint, and what they send to the presenter's tray.

`members` are who is there, `tray` what they have sent; `audience` is both for one wall, under the
switches of its `hall`. A `phone` is the connection of one member, painted by the same engine and
the same live session as the page's. `words` and `clean` judge texts, `invitation` is the address
and its QR code, `gallery` what is left in the end.
"""
