"""The prompt battle: two players, one target or theme, the same seed; only words decide.

`plan` is what the presenter's desk says and `orders` what that does; `battle` are the rules, with
the time as an argument, `round` what one round has. By `ballot` and `likeness` it is decided.
`players` are who plays on a phone or a keyboard, `easel` is where one of them paints, `keyboard` a
browser that has taken a side by its code, `crowd` what the phones of the hall say. `ring` is all
that together for one wall, `views` what is told of it, `rings` for all walls of a server.
"""
