"""Federated and split learning between real machines, on Flower.

A federation is one SuperLink with the server's application, and for each hospital one SuperNode with the hospital's
application. Flower moves the messages (HTTPS, one port, each hospital known by its key); what is computed is
`medpriv.federated` and `medpriv.split`, the same functions as in process. Unlike in Flower's own executor, no code
travels: both ends run what is installed with them, and a message is data.

    certificates    the authority, the server's certificate, the hospitals' keys
    launch          starts Flower's own processes, with the SuperLink's other doors shut
    processes       child processes: started, watched, ended
    runtime         what is used of Flower beside its commands, in one place
    messages        arrays and settings to Flower's records and back
    exchange        one question to many hospitals, answers until a deadline
    deployment      the two ends of a federation, each with its Flower process
    hospital        a hospital's records, and what it says of them; `handlers` lists all that it answers
    server          the server's end: what the hospitals have in common, rounds
    masked          both ends of secure aggregation
    split_client, split_server  split learning: a hospital's end, the server's
    encrypted_channel           messages from hospital to hospital that the server can't read
    job, run        what the server is told, and a whole run
    __main__        the commands
"""
