"""The types of the JSON documents, key by key: what `mypy` knows of them, and nothing else.

They are imported below `if TYPE_CHECKING` only (a test holds that): a document stays the dict that
`jsonfile` reads and writes, which costs nothing at a start and keeps what newer versions and others
have put in.  NotRequired is what a writer may leave out; what older files lack, `upgrade` adds.
"""
