"""Before a talk: `doctor --talk` rehearses it as if the network were off, and asks the laptop."""
