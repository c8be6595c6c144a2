# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# recipes.sh - the blocks of docs/RECIPES.md, word for word.  Each runs in a
# directory of its own, with /run and /var/lib of its own, so that files with
# fixed names disturb nobody.

# recipe_blocks NAME...: the text of these blocks; or what a function of that
# name says.
recipe_blocks() {
	local name text
	for name in "$@"; do
		! declare -F "$name" >/dev/null || { "$name" && continue; }
		text=$(sed -n "/^\`\`\`sh $name\$/,/^\`\`\`\$/p" docs/RECIPES.md |
			sed '1d;$d')
		[ -n "$text" ] || fail "no recipe is called $name"
		printf '%s\n' "$text"
	done
}

# recipe_run BEFORE NAME...: in $TMP/recipe; output in recipe.out.  BEFORE stands
# in front of the shell that runs them.
recipe_run() {
	local before=$1 dir=$TMP/recipe
	shift
	penstock_on || skip "nothing to try out"
	rm -rf "$dir"
	mkdir "$dir"
	cp conf/examples/*.scn "$dir"
	recipe_blocks "$@" >"$dir/recipe"
	# shellcheck disable=SC2016,SC2086 # the shell's own $; words
	PATH=$(readlink -f "$BUILD"):$PATH timeout 300 $before unshare -m \
		bash -c 'cd "$0" && mount -t tmpfs tmpfs /run &&
		mount -t tmpfs tmpfs /var/lib && exec bash -e recipe' "$dir" \
		>"$TMP/recipe.out" 2>&1 </dev/null
	RC=$?
	cat "$TMP/recipe.out"
}

recipe_lab() {
	recipe_run "" lab
	assert_eq "exit status" 0 "$RC"
	grep -q "^lab: exit status 0, 1 connections" "$TMP/recipe.out" ||
		fail "no report"
	grep -q "recipe" "$TMP/recipe/page" || fail "no page of the server"
}

recipe_scenario() {
	recipe_run "" scenario
	assert_eq "exit status" 0 "$RC"
	python3 tests/e2e/junit.py "$TMP/recipe/results.xml" paws.scn=held ||
		fail "no results"
}

# recipe_ms WORDS: the number behind these words, in milliseconds.
recipe_ms() {
	sed -n "s/.*$1 \([0-9]*\)\.\([0-9]\{3\}\).*/\1\2/p" "$TMP/recipe.out"
}

# The gateway's namespace is the laptop: the client is a program on it.
recipe_laptop() {
	echo "the server's page" >"$TMP/www/index.html"
	stop_penstockd
	recipe_run "ip netns exec $NS_G" laptop-begin laptop-toxic \
		laptop-fault laptop-end
	assert_eq "exit status" 0 "$RC"
	assert_eq "the page" "the server's page" "$(<"$TMP/recipe/page")"
	assert_num "time with the toxic, ms" "$((10#$(recipe_ms took)))" -ge 700
	assert_num "time of the handshake without a SYN, ms" \
		"$((10#$(recipe_ms "connected after")))" -ge 900
	grep -q "injected 1," "$TMP/recipe.out" || fail "no fault listed"
	in_g iptables-save | grep PENSTOCK && fail "rules are left"
	in_g ip addr show dev lo | grep 192.0.2.80 && fail "an address is left"
	return 0
}

recipe_container() {
	recipe_run "" container
	assert_eq "exit status" 0 "$RC"
	grep -Eq "^rules +ok$" "$TMP/recipe.out" || fail "no daemon with rules"
}

# What podman needs here: places of its own, and as the image this machine's
# system with penstock in it, as nothing is fetched.  Before the recipe.
recipe_podman_begin() {
	cat <<-END
	export CONTAINERS_CONF=$TMP/pod/containers.conf
	export CONTAINERS_STORAGE_CONF=$TMP/pod/storage.conf
	mkdir low up work root
	mount --bind / low
	mount -t overlay overlay -o lowerdir=low,upperdir=up,workdir=work root
	cp $(readlink -f "$PENSTOCKD") $(readlink -f "$PENSTOCKCTL") root/usr/sbin/
	mkdir -p root/etc/penstock root/var/lib/penstock
	: >root/etc/penstock/penstock.conf
	podman() {
		local w words=()
		for w; do
			[ "\$w" != penstock ] || { words+=(--rootfs); w=\$PWD/root; }
			words+=("\$w")
		done
		command podman "\${words[@]}"
	}
	podman run --rm --network=none penstock true || exit 77
	END
}

recipe_podman_use() {
	cat <<-END
	nsenter --net=/proc/self/fd/9 curl -s -o page http://203.0.113.10/
	podman exec gateway penstockctl nstat
	END
}

recipe_podman_conf() {
	rm -rf "$TMP/pod"
	mkdir "$TMP/pod"
	cat >"$TMP/pod/containers.conf" <<-END
	[containers]
	default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
	[engine]
	runtime = "runc"
	cgroup_manager = "cgroupfs"
	events_logger = "none"
	END
	cat >"$TMP/pod/storage.conf" <<-END
	[storage]
	driver = "overlay"
	graphroot = "$TMP/pod/graph"
	runroot = "$TMP/pod/run"
	END
}

# A page through the container that is the gateway.
recipe_podman() {
	! sanitized || skip "their libraries want more than a container has"
	command -v podman >/dev/null || skip "podman is not installed"
	stop_penstockd
	recipe_podman_conf
	echo "the server's page" >"$TMP/www/index.html"
	exec 9<"/run/netns/$NS_C"
	recipe_run "nsenter --net=/run/netns/$NS_G" recipe_podman_begin \
		podman-run recipe_podman_use podman-stop
	exec 9<&-
	find /sys/fs/cgroup -depth -type d -path '*/libpod_parent*' \
		-exec rmdir {} + 2>/dev/null
	[ "$RC" != 77 ] || skip "podman runs no container here"
	assert_eq "exit status" 0 "$RC"
	assert_eq "the page" "the server's page" "$(<"$TMP/recipe/page")"
	grep -qE "^FlowsOpened +1 *$" "$TMP/recipe.out" || fail "not through it"
	in_g iptables-save | grep PENSTOCK && fail "rules are left"
	return 0
}

recipes_cases() {
	# shellcheck disable=SC2034 # for run_case
	local TRAFFIC_EARLIER=1 # not to the daemon of the others
	run_case recipe_lab_word_for_word 60 recipe_lab
	run_case recipe_scenario_word_for_word 60 recipe_scenario
	run_case recipe_container_word_for_word 60 recipe_container
	EXPECT_DEATH=1 run_case recipe_podman_word_for_word 120 recipe_podman
	EXPECT_DEATH=1 run_case recipe_laptop_word_for_word 60 recipe_laptop
	shield_conf "handshake = server_first"
}
