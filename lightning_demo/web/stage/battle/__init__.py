"""The prompt battle: two players, one target or theme, the same seed; only words decide.

`plan` is what the presenter's desk says and `orders` what that does, `battle` the rules with the
time as an argument; by `ballot` and `likeness` a round is decided. `players` are who plays on a
phone or a keyboard, `easel` is where one of them paints, `keyboard` a browser that has taken a side
by its code. `ring` is all that together for one wall, `views` what is told of it, `rings` for all
walls of a server.
"""
