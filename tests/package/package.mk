# The Debian package: lintian, and its life in a root of its own (as root).
.PHONY: package
package: all ## the Debian package installs, upgrades, goes and leaves nothing
	@tests/package/package.sh '$(BUILD)' '$(MAKE)' '$(VERSION)'
