#!/bin/sh
# Builds the component. SQLite is C: where no compiler for wasm is named, Zig's is taken, which PyPI has.
#
#     CC_wasm32_wasip2=clang plugins/sql/build.sh     # with a sysroot of WASI
set -eu
cd "$(dirname "$0")"
if [ -z "${CC_wasm32_wasip2:-}" ]; then
    zig=$PWD/../target/zig
    [ -e "$zig/.installed" ] || {
        python3 -m venv "$zig" || { echo "install Python's venv: apt-get install python3-venv" >&2; exit 1; }
        "$zig/bin/pip" install --quiet --disable-pip-version-check ziglang==0.17.1
        touch "$zig/.installed"
    }
    # Cargo calls the target by Rust's name, which Zig does not know.
    cat > "$zig/bin/wasm-cc" <<EOF
#!/bin/sh
for word; do
    shift
    case \$word in --target=*) ;; *) set -- "\$@" "\$word" ;; esac
done
exec "$zig/bin/python" -m ziglang cc --target=wasm32-wasi "\$@"
EOF
    printf '#!/bin/sh\nexec "%s" -m ziglang ar "$@"\n' "$zig/bin/python" > "$zig/bin/wasm-ar"
    chmod +x "$zig/bin/wasm-cc" "$zig/bin/wasm-ar"
    export CC_wasm32_wasip2="$zig/bin/wasm-cc" AR_wasm32_wasip2="$zig/bin/wasm-ar"
fi
exec cargo build --release --target wasm32-wasip2 --target-dir ../target
