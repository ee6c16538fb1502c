"""What shows others that nothing is missing and nothing was changed.

============== =====================================================================================
``shipped``    events that left the node, read back: exports and what a collector has
``comparison`` shipped events beside each other and beside the log
``file_chain`` the chain computed from shipped events alone
``file_check`` shipped events by themselves: files, manifest, chain
``zstd``       packed files
``verdict``    what a verification found
``check``      a verification: the log's chain, and what was shipped
``export``     events of a period with a manifest
``manifest``   the manifest of an export
============== =====================================================================================
"""
