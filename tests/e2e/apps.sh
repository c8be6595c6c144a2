# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# apps.sh - programs as they are: TLS, HTTP keep-alive, iperf3, PostgreSQL

apps_wrk() {
	local out
	data_file 1024 >/dev/null
	out=$(in_c wrk -t1 -c32 -d2s --timeout 5s \
		"http://$URL:$PORT_HTTP/keep/f1024") || fail "wrk: $out"
	echo "$out"
	! grep -Eq 'Socket errors|Non-2xx' <<<"$out" || fail "errors"
	assert_num requests "$(grep -o '[0-9]* requests in' <<<"$out" |
		cut -d' ' -f1)" -gt 1000
	assert_clean
}

# apps_iperf [OPTION...]
apps_iperf() {
	local out
	out=$(in_c iperf3 -c "$SERVER" -p "$PORT_IPERF" -t 2 "$@" 2>&1) ||
		fail "iperf3: $out"
	echo "$out"
	grep -q receiver <<<"$out" || fail "no receiver's report"
	assert_clean
}

# TLS without HTTP: s_server -rev answers each line reversed.
apps_openssl() {
	local out port=$PORT_DYING
	ip netns exec "$NS_S" openssl s_server -accept "$port" -rev -quiet \
		-key "$TMP/key.pem" -cert "$TMP/cert.pem" &
	poll 5 listening "$port" || fail "s_server does not listen"
	mkfifo "$TMP/say"
	in_c timeout 20 openssl s_client -connect "$URL:$port" -quiet -no_ign_eof \
		<"$TMP/say" >"$TMP/heard" 2>/dev/null &
	exec 9>"$TMP/say"
	rm "$TMP/say"
	echo olleh >&9 # a first letter that is no command of s_client
	poll 10 grep -q hello "$TMP/heard" || fail "no answer"
	exec 9>&- # end of input: s_client closes
	wait $!
	assert_clean
}

postgres_bin() {
	local d
	for d in /usr/lib/postgresql/*/bin; do
		[ -x "$d/postgres" ] && echo "$d" && return 0
	done
	return 1
}

# postgres refuses to run as root: user postgres, a data directory of ours.
start_postgres() {
	local bin data=$TMP/pg
	bin=$(postgres_bin) || return 1
	mkdir -p "$data"
	chown postgres "$data"
	runuser -u postgres -- "$bin/initdb" -D "$data" -A trust -N \
		>"$TMP/pg.log" 2>&1 || return 1
	cat >>"$data/postgresql.conf" <<-END
	listen_addresses = '*'
	port = $PORT_SQL
	unix_socket_directories = ''
	fsync = off
	shared_buffers = 64MB
	dynamic_shared_memory_type = mmap
	END
	cat >"$data/pg_hba.conf" <<-END
	host all all 0.0.0.0/0 trust
	host all all ::/0 trust
	END
	start_in "$NS_S" "$TMP/pg.log" runuser -u postgres -- \
		"$bin/postgres" -D "$data"
	poll 20 listening "$PORT_SQL"
}

apps_pgbench() {
	local out addr q="select host(inet_client_addr())"
	[ -n "${POSTGRES:-}" ] || fail "postgres: $(tail -5 "$TMP/pg.log")"
	in_c pgbench -q -i -s 1 -h "$SERVER" -p "$PORT_SQL" -U postgres \
		postgres >"$TMP/pgb" 2>&1 || fail "$(cat "$TMP/pgb")"
	addr=$(in_c psql -At -h "$SERVER" -p "$PORT_SQL" -U postgres \
		-c "$q" postgres)
	assert_eq "client's address, seen by PostgreSQL" "$CLIENT" "$addr"
	out=$(in_c pgbench -n -c 8 -t 100 -h "$SERVER" -p "$PORT_SQL" \
		-U postgres postgres 2>&1) || fail "pgbench: $out"
	grep -q 'actually processed: 800/800' <<<"$out" || fail "$out"
	# A connection per transaction.
	out=$(in_c pgbench -n -C -S -c 4 -t 25 -h "$SERVER" -p "$PORT_SQL" \
		-U postgres postgres 2>&1) || fail "pgbench -C: $out"
	grep -q 'actually processed: 100/100' <<<"$out" || fail "$out"
	assert_clean
}

apps_cases() {
	run_case apps_tls_download_is_intact 30 transfer_download https \
		10485760
	run_case apps_tls_upload_is_intact 30 transfer_upload https 10485760
	run_case apps_openssl_peers_talk 30 apps_openssl
	run_case apps_http_keepalive_no_errors 30 apps_wrk
	if [ -z "${IPERF:-}" ]; then
		start_in "$NS_S" "$TMP/iperf.log" iperf3 -s -p "$PORT_IPERF"
		IPERF=$REPLY
		poll 5 listening "$PORT_IPERF"
	fi
	run_case apps_iperf3_upload_runs 30 apps_iperf
	run_case apps_iperf3_download_runs 30 apps_iperf -R
	run_case apps_iperf3_both_ways_eight_streams_runs 30 apps_iperf \
		--bidir -P 4
	if [ -z "${POSTGRES:-}" ]; then
		start_postgres && POSTGRES=$REPLY
	fi
	run_case apps_postgresql_pgbench_all_transactions 60 apps_pgbench
}
