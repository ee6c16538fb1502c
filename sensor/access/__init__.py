"""Who can start containers on this node, beside who did. ``model/access.py`` has the shapes.

============= ======================================================================================
``node``      files of the node, read with limits; what cannot be read is noted
``accounts``  users, groups and rootless engines
``engines``   engines that run, with their owners and command lines
``sockets``   engines' unix sockets: at well-known paths, and where engines listen
``listeners`` engines that listen on the network, and whether they ask for certificates
``mounts``    containers that hold a socket, the host's root or kubelet's files
``sudo``      rules of sudo that reach a client or a runtime
``jobs``      units, timers and cron jobs that run clients
``commands``  which programs start containers
``kubelet``   credentials and directories of static pods
``last_use``  when each way was used last, from the log
``survey``    all of it
============= ======================================================================================
"""
