#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""flood_table.py SAMPLES OUT.json FAMILY ROUNDS SECONDS PEER...

The flood bench's table and JSON: table.py with other rows.
"""
import table

table.METRICS = [
    ("flood_sent_per_s", "SYNs sent per s", True),
    ("flood_synacks_per_s", "SYN-ACKs per s", True),
    ("flood_of_reflector", "  of the reflector's", True),
    ("flood_cpu_us_per_synack", "  CPU us per SYN-ACK", False),
    ("flood_cpu_us_per_syn", "  CPU us per SYN", False),
    ("proxy_flood_cpu_us_per_syn", "  of it the process", False),
    ("flood_answered_pct", "  answered, %", True),
    ("legit_calm_per_s", "short connections, calm", True),
    ("legit_per_s", "the same in a flood", True),
    ("legit_success_pct", "  success, %", True),
    ("legit_first_syn_pct", "  at the first SYN, %", True),
    ("legit_p50_ms", "  p50, ms", False),
    ("legit_p99_ms", "  p99, ms", False),
    ("bulk_calm_gbps", "one stream up, calm, Gb/s", True),
    ("bulk_gbps", "the same in a flood", True),
    ("bulk_kept_pct", "  kept, %", True),
    ("flood_cpu_share_pct", "  the flood alone: CPU, %", False),
    ("bulk_of_left_pct", "  of what it leaves, %", True),
    ("tw_fresh_per_s", "4-tuples fresh, conn/s", True),
    ("tw_again_per_s", "in server's TIME_WAIT", True),
    ("tw_kept", "  of the fresh ones' rate", True),
    ("tw_stalls", "  stalls and failures", False),
    ("rss_growth_kib", "RSS growth, KiB", False),
]

if __name__ == "__main__":
    table.main()
