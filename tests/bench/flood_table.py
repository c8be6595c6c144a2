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
    ("bulk_calm_gbps", "one stream, calm, Gb/s", True),
    ("bulk_gbps", "  in the flood", True),
    ("bulk_kept", "  kept", True),
    ("keep_calm_per_s", "kept-alive requests, calm", True),
    ("keep_per_s", "  in the flood", True),
    ("keep_kept", "  kept", True),
    ("keep_p99_ms", "  p99, ms", False),
    ("keep_failed", "  failed", False),
    ("calm_per_s", "newcomers per s, calm", True),
    ("calm_p99_ms", "  p99, ms", False),
    ("flood_per_s", "  in the flood, per s", True),
    ("flood_failed_pct", "  failed, %", False),
    ("flood_first_syn_pct", "  at the first SYN, %", True),
    ("flood_p50_ms", "  p50, ms", False),
    ("flood_p99_ms", "  p99, ms", False),
    ("flood_max_ms", "  the last one, ms", False),
    ("tw_fresh_per_s", "4-tuples fresh, conn/s", True),
    ("tw_again_per_s", "in server's TIME_WAIT", True),
    ("tw_kept", "  of the fresh ones' rate", True),
    ("tw_stalls", "  stalls and failures", False),
    ("rss_growth_kib", "RSS growth, KiB", False),
]

if __name__ == "__main__":
    table.main()
