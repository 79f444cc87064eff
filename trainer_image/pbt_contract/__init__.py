"""The storage contract `v1`, which trainers and operators share: records, keys, errors and stores.

The states of an incarnation `M-N`, the N-th of member M. No record holds a state: it follows from which records exist.
Each is written once, and each move has one kind of writer.

                  births/M-N                                operator: a decision, a resume, a new or returning slot
                      |
                  unclaimed --------------------------.     operator: the next birth at once; a void claim before it
                      |                               |     where the process failed without claiming
                      |  claims/M-N                   |     trainer: the first process to write it has the birth
                      |                               |
                   claimed                            |
                      |                               |
                      |  checkpoints/M-N/..., then    |     trainer: the process with the claim, again and again;
                      |  reports/R/M-N, saves/M-N/S   |     the report at the last step, or a record with an
                      |                               |     `ending` before it, finishes the member
                      |                               |
                   reported                           |
                      |                               |
                      |  births/M-(N+1)               |     operator: its cause says what became of N
                      |<------------------------------'
                      |
        .-------------+-----------------.
        |             |                 |
    superseded     resumed           closed
    Exploit        Resume            Failed       too many crashes in a row
    Rollback       Crash             Removed      scaled away; a returning slot is born again (Scale)
    Replace
    Scale

Of a superseded or resumed incarnation counts what it reported up to its successor's `previousStep`. The process of a
superseded one leaves, or claims the next birth itself. One that was claimed and reported nothing is followed in the
same ways, from its own start. `yields/M-N` (operator) asks its process to claim another member's birth instead; member
M then waits to be resumed. Where somebody else has that birth `yields/M-N-2` asks it to claim another one.
"""
