"""mrl_pg inside other frameworks; each needs its own extra, such as mrl_pg[langchain].

`conditions`, `documents` and `connections` are what the stores share.
"""
