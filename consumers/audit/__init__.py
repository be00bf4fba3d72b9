"""The audit consumer: records of ``corporate-actions-audit`` become entries of the hash-chained, signed, Merkle-treed log.

One instance writes, others stand by. It reads where its own last batch ended, and knows nothing of what the records mean.
"""
