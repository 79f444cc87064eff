"""The storage contract `v1`, which trainers and operators share: records, keys, errors and stores.

A life is one incarnation of one member, `M-N`. No record holds its state: the state follows from which records exist.
Each is written once, and each move has one kind of writer.

                  births/M-N                                operator: a decision, a resume, a new or returning slot
                      |
                  unclaimed --------------------------.     operator: a void claim, where the process failed first
                      |                               |
                      |  claims/M-N                   |     trainer: the first process to write it has the life
                      |                               |
                   claimed                            |
                      |                               |
                      |  checkpoints/M-N/..., then    |     trainer: the process with the claim, again and again;
                      |  reports/R/M-N, saves/M-N/S   |     the report at the last step finishes the member
                      |                               |
                   reported                           |
                      |                               |
                      |  births/M-(N+1)               |     operator: its cause says what became of life N
                      |<------------------------------'
                      |
        .-------------+-----------------.
        |             |                 |
    superseded     resumed           closed
    Exploit        Resume            Failed       too many crashes in a row
    Rollback       Crash             Removed      scaled away; a returning slot is born again (Scale)
    Replace
    Scale

A superseded or resumed life keeps what it reported up to its successor's `previousStep`; later records don't count. The
process of a superseded life leaves, or claims the next birth itself. A claimed life that reported nothing is followed
in the same ways, from its own start. `yields/M-N` (operator) asks the process of life N to claim another member's birth
instead; life N then waits to be resumed.
"""
