"""How ParityGate judges: anytime-valid tests by betting, their planning and their ordering.

Every test here is an e-process: the wealth of a gambler who bets, one batch after another, that the candidate is NOT
worse than its margin. If it is worse, that wealth is a non-negative supermartingale, and Ville's inequality bounds the
chance that it EVER reaches 1/alpha by alpha. So one may look after every batch and stop whenever one likes.

Pure numpy: no clock, no input or output, no chance but an explicitly passed seed. The counts per batch are the record;
every figure in a report recomputes from them.
"""
