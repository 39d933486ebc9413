/**
 * The datapath.
 */
export class Raw {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        RawFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_raw_free(ptr, 0);
    }
    /**
     * `vnet`: 0 without IFF_VNET_HDR; else 1, and 2, 4 and 8 for what it takes: checksums, TCP, UDP super-frames.
     * `tag`: TPID and tag control information; 0: none.
     * @param {number} fd
     * @param {number} frame
     * @param {number} vnet
     * @param {number} tag
     * @returns {number}
     */
    add_device(fd, frame, vnet, tag) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_add_device(retptr, this.__wbg_ptr, fd, frame, vnet, tag);
            var r0 = getDataViewMemory0().getFloat64(retptr + 8 * 0, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            return r0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} frame
     * @returns {number}
     */
    add_host_port(frame) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_add_host_port(retptr, this.__wbg_ptr, frame);
            var r0 = getDataViewMemory0().getFloat64(retptr + 8 * 0, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            return r0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {Float64Array}
     */
    add_patch() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_add_patch(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * `tags`: TPID and tag control information of each, the outer one first.
     * @param {number} device
     * @param {Uint8Array} peer
     * @param {Uint8Array} own
     * @param {Uint32Array} tags
     * @param {number} session_id
     * @returns {number}
     */
    add_pppoe(device, peer, own, tags, session_id) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            const ptr0 = passArray8ToWasm0(peer, wasm.__wbindgen_export2);
            const len0 = WASM_VECTOR_LEN;
            const ptr1 = passArray8ToWasm0(own, wasm.__wbindgen_export2);
            const len1 = WASM_VECTOR_LEN;
            const ptr2 = passArray32ToWasm0(tags, wasm.__wbindgen_export2);
            const len2 = WASM_VECTOR_LEN;
            wasm.raw_add_pppoe(retptr, this.__wbg_ptr, device, ptr0, len0, ptr1, len1, ptr2, len2, session_id);
            var r0 = getDataViewMemory0().getFloat64(retptr + 8 * 0, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            return r0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} tunnel
     * @param {RawSession} spec
     * @returns {number}
     */
    add_session(tunnel, spec) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(spec, RawSession);
            wasm.raw_add_session(retptr, this.__wbg_ptr, tunnel, spec.__wbg_ptr);
            var r0 = getDataViewMemory0().getFloat64(retptr + 8 * 0, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            return r0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} fd
     * @param {number} kind
     * @returns {number}
     */
    add_socket(fd, kind) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_add_socket(retptr, this.__wbg_ptr, fd, kind);
            var r0 = getDataViewMemory0().getFloat64(retptr + 8 * 0, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            return r0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {RawSwitch} spec
     * @returns {number}
     */
    add_switch(spec) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(spec, RawSwitch);
            wasm.raw_add_switch(retptr, this.__wbg_ptr, spec.__wbg_ptr);
            var r0 = getDataViewMemory0().getFloat64(retptr + 8 * 0, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            return r0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} tun
     * @returns {number}
     */
    add_termination(tun) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_add_termination(retptr, this.__wbg_ptr, tun);
            var r0 = getDataViewMemory0().getFloat64(retptr + 8 * 0, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            return r0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {RawTunnel} tunnel
     * @returns {number}
     */
    add_tunnel(tunnel) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(tunnel, RawTunnel);
            wasm.raw_add_tunnel(retptr, this.__wbg_ptr, tunnel.__wbg_ptr);
            var r0 = getDataViewMemory0().getFloat64(retptr + 8 * 0, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            return r0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} now
     */
    age(now) {
        wasm.raw_age(this.__wbg_ptr, now);
    }
    /**
     * Whether `take_expired` has something.
     * @returns {boolean}
     */
    any_expired() {
        const ret = wasm.raw_any_expired(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @param {number} port
     * @param {RawMember} spec
     */
    change_member(port, spec) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(spec, RawMember);
            wasm.raw_change_member(retptr, this.__wbg_ptr, port, spec.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} session
     * @param {RawSession} spec
     */
    change_session(session, spec) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(spec, RawSession);
            wasm.raw_change_session(retptr, this.__wbg_ptr, session, spec.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} _switch
     * @param {RawSwitch} spec
     */
    change_switch(_switch, spec) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(spec, RawSwitch);
            wasm.raw_change_switch(retptr, this.__wbg_ptr, _switch, spec.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} port
     * @param {RawSwitchPort} spec
     */
    change_switch_port(port, spec) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(spec, RawSwitchPort);
            wasm.raw_change_switch_port(retptr, this.__wbg_ptr, port, spec.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} tunnel
     * @param {RawTunnel} spec
     */
    change_tunnel(tunnel, spec) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(spec, RawTunnel);
            wasm.raw_change_tunnel(retptr, this.__wbg_ptr, tunnel, spec.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    clear_punts() {
        wasm.raw_clear_punts(this.__wbg_ptr);
    }
    /**
     * Those of `handles` that are of live sessions and tunnels, then the counters of each.
     * @param {Float64Array} handles
     * @returns {Float64Array}
     */
    counters(handles) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            const ptr0 = passArrayF64ToWasm0(handles, wasm.__wbindgen_export2);
            const len0 = WASM_VECTOR_LEN;
            wasm.raw_counters(retptr, this.__wbg_ptr, ptr0, len0);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v2 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v2;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} a
     * @param {number} b
     */
    cross_connect(a, b) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_cross_connect(retptr, this.__wbg_ptr, a, b);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} a
     */
    disconnect(a) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_disconnect(retptr, this.__wbg_ptr, a);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {Float64Array}
     */
    drops() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_drops(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} tunnel
     * @param {number} session_id
     * @param {boolean} on
     */
    expect_session(tunnel, session_id, on) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_expect_session(retptr, this.__wbg_ptr, tunnel, session_id, on);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * Nothing: there is no such session.
     * @param {number} port
     * @returns {Float64Array}
     */
    family_counters(port) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_family_counters(retptr, this.__wbg_ptr, port);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} port
     * @param {number} vid
     * @param {Uint8Array} mac
     */
    fdb_add(port, vid, mac) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            const ptr0 = passArray8ToWasm0(mac, wasm.__wbindgen_export2);
            const len0 = WASM_VECTOR_LEN;
            wasm.raw_fdb_add(retptr, this.__wbg_ptr, port, vid, ptr0, len0);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * False: it was not there.
     * @param {number} _switch
     * @param {number} vid
     * @param {Uint8Array} mac
     * @returns {boolean}
     */
    fdb_del(_switch, vid, mac) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            const ptr0 = passArray8ToWasm0(mac, wasm.__wbindgen_export2);
            const len0 = WASM_VECTOR_LEN;
            wasm.raw_fdb_del(retptr, this.__wbg_ptr, _switch, vid, ptr0, len0);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            if (r2) {
                throw takeObject(r1);
            }
            return r0 !== 0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * Forgets what a switch has learnt, at one port where that is given (not 0).
     * @param {number} _switch
     * @param {number} port
     */
    fdb_flush(_switch, port) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_fdb_flush(retptr, this.__wbg_ptr, _switch, port);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * What is in `count` slots of a switch's table from `from` on: port, VLAN, MAC as a number, age in milliseconds (-1: an
     * operator said so); last, whether there are more.
     * `now` in milliseconds.
     * @param {number} _switch
     * @param {number} from
     * @param {number} count
     * @param {number} now
     * @returns {Float64Array}
     */
    fdb_slice(_switch, from, count, now) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_fdb_slice(retptr, this.__wbg_ptr, _switch, from, count, now);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * The length that message `index` is grouped by; 0: it is no group.
     * @param {number} index
     * @returns {number}
     */
    grouped_by(index) {
        const ret = wasm.raw_grouped_by(this.__wbg_ptr, index);
        return ret;
    }
    /**
     * Whether `switch_events` has anything to tell now.
     * @returns {boolean}
     */
    has_switch_events() {
        const ret = wasm.raw_has_switch_events(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @param {number} port
     * @param {number} frames
     */
    hold(port, frames) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_hold(retptr, this.__wbg_ptr, port, frames);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} port
     * @param {Uint8Array} frame
     */
    hold_first(port, frame) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            const ptr0 = passArray8ToWasm0(frame, wasm.__wbindgen_export2);
            const len0 = WASM_VECTOR_LEN;
            wasm.raw_hold_first(retptr, this.__wbg_ptr, port, ptr0, len0);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} port
     * @param {Uint8Array} frame
     * @returns {boolean}
     */
    inject(port, frame) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            const ptr0 = passArray8ToWasm0(frame, wasm.__wbindgen_export2);
            const len0 = WASM_VECTOR_LEN;
            wasm.raw_inject(retptr, this.__wbg_ptr, port, ptr0, len0);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            if (r2) {
                throw takeObject(r1);
            }
            return r0 !== 0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {Float64Array}
     */
    io() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_io(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} port
     * @returns {boolean}
     */
    is_switch_port(port) {
        const ret = wasm.raw_is_switch_port(this.__wbg_ptr, port);
        return ret !== 0;
    }
    /**
     * @param {number} _switch
     * @param {number} port
     * @param {RawSwitchPort} spec
     */
    join_switch(_switch, port, spec) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(spec, RawSwitchPort);
            wasm.raw_join_switch(retptr, this.__wbg_ptr, _switch, port, spec.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} termination
     * @param {number} port
     * @param {RawMember} spec
     */
    join_termination(termination, port, spec) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(spec, RawMember);
            wasm.raw_join_termination(retptr, this.__wbg_ptr, termination, port, spec.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * When the last valid data message of each tunnel came, in milliseconds; NaN: none has yet, or there is no tunnel.
     * @param {Float64Array} tunnels
     * @returns {Float64Array}
     */
    last_heard(tunnels) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            const ptr0 = passArrayF64ToWasm0(tunnels, wasm.__wbindgen_export2);
            const len0 = WASM_VECTOR_LEN;
            wasm.raw_last_heard(retptr, this.__wbg_ptr, ptr0, len0);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v2 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v2;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * `code: message` of the last refusal by `receive_datagrams` or `receive_frames`.
     * @returns {string}
     */
    last_refusal() {
        let deferred1_0;
        let deferred1_1;
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_last_refusal(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            deferred1_0 = r0;
            deferred1_1 = r1;
            return getStringFromWasm0(r0, r1);
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
            wasm.__wbindgen_export(deferred1_0, deferred1_1, 1);
        }
    }
    /**
     * @returns {RawLayout}
     */
    layout() {
        const ret = wasm.raw_layout(this.__wbg_ptr);
        return RawLayout.__wrap(ret);
    }
    /**
     * @param {number} port
     * @param {number} rx
     * @param {number} tx
     * @param {number} burst
     */
    limit(port, rx, tx, burst) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_limit(retptr, this.__wbg_ptr, port, rx, tx, burst);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} tunnel
     * @param {number} longest
     */
    limit_grouping(tunnel, longest) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_limit_grouping(retptr, this.__wbg_ptr, tunnel, longest);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * `reason` is a place in `drop_names`.
     * @param {number} index
     * @param {number} reason
     */
    message_dropped(index, reason) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_message_dropped(retptr, this.__wbg_ptr, index, reason);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} max_sessions
     * @param {number} reorder_frames
     * @param {number} reorder_bytes
     * @param {number} punt_bytes
     */
    constructor(max_sessions, reorder_frames, reorder_bytes, punt_bytes) {
        const ret = wasm.raw_new(max_sessions, reorder_frames, reorder_bytes, punt_bytes);
        this.__wbg_ptr = ret;
        RawFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * @returns {number | undefined}
     */
    next_deadline() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_next_deadline(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r2 = getDataViewMemory0().getFloat64(retptr + 8 * 1, true);
            return r0 === 0 ? undefined : r2;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {number}
     */
    pump() {
        const ret = wasm.raw_pump(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Where the first entry's data lies.
     * @returns {number}
     */
    punt_bytes() {
        const ret = wasm.raw_punt_bytes(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Where the first entry's record lies.
     * @returns {number}
     */
    punt_records() {
        const ret = wasm.raw_punt_records(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * How many entries wait.
     * @returns {number}
     */
    punts() {
        const ret = wasm.raw_punts(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * `vlan`: -1: untagged, -2: any. `v4`, `v6`: empty: none.
     * @param {number} session
     * @param {number} host
     * @param {Uint8Array} mac
     * @param {number} vlan
     * @param {Uint8Array} v4
     * @param {Uint8Array} v6
     */
    put_inside(session, host, mac, vlan, v4, v6) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            const ptr0 = passArray8ToWasm0(mac, wasm.__wbindgen_export2);
            const len0 = WASM_VECTOR_LEN;
            const ptr1 = passArray8ToWasm0(v4, wasm.__wbindgen_export2);
            const len1 = WASM_VECTOR_LEN;
            const ptr2 = passArray8ToWasm0(v6, wasm.__wbindgen_export2);
            const len2 = WASM_VECTOR_LEN;
            wasm.raw_put_inside(retptr, this.__wbg_ptr, session, host, ptr0, len0, vlan, ptr1, len1, ptr2, len2);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * False: refused, `last_refusal` says why. A `Result` would cost the packet path an array made for JS.
     * @param {number} socket
     * @param {number} count
     * @param {number} now
     * @returns {boolean}
     */
    receive_datagrams(socket, count, now) {
        const ret = wasm.raw_receive_datagrams(this.__wbg_ptr, socket, count, now);
        return ret !== 0;
    }
    /**
     * As `receive_datagrams`.
     * @param {number} port
     * @param {number} count
     * @param {number} now
     * @returns {boolean}
     */
    receive_frames(port, count, now) {
        const ret = wasm.raw_receive_frames(this.__wbg_ptr, port, count, now);
        return ret !== 0;
    }
    /**
     * As `receive_datagrams`.
     * @param {number} port
     * @param {number} count
     * @param {number} now
     * @returns {boolean}
     */
    receive_packets(port, count, now) {
        const ret = wasm.raw_receive_packets(this.__wbg_ptr, port, count, now);
        return ret !== 0;
    }
    /**
     * @param {number} port
     */
    release(port) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_release(retptr, this.__wbg_ptr, port);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} port
     */
    remove_port(port) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_remove_port(retptr, this.__wbg_ptr, port);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} socket
     */
    remove_socket(socket) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_remove_socket(retptr, this.__wbg_ptr, socket);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} _switch
     */
    remove_switch(_switch) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_remove_switch(retptr, this.__wbg_ptr, _switch);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} termination
     */
    remove_termination(termination) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_remove_termination(retptr, this.__wbg_ptr, termination);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} tunnel
     */
    remove_tunnel(tunnel) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_remove_tunnel(retptr, this.__wbg_ptr, tunnel);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} socket
     * @param {Uint8Array} remote
     * @param {number} port
     * @param {number} scope
     * @param {Uint8Array} local
     * @param {number} mark
     * @param {Uint8Array} data
     * @returns {boolean}
     */
    send_control(socket, remote, port, scope, local, mark, data) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            const ptr0 = passArray8ToWasm0(remote, wasm.__wbindgen_export2);
            const len0 = WASM_VECTOR_LEN;
            const ptr1 = passArray8ToWasm0(local, wasm.__wbindgen_export2);
            const len1 = WASM_VECTOR_LEN;
            const ptr2 = passArray8ToWasm0(data, wasm.__wbindgen_export2);
            const len2 = WASM_VECTOR_LEN;
            wasm.raw_send_control(retptr, this.__wbg_ptr, socket, ptr0, len0, port, scope, ptr1, len1, mark, ptr2, len2);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            if (r2) {
                throw takeObject(r1);
            }
            return r0 !== 0;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * The device is a packet socket.
     * @param {number} device
     */
    send_in_messages(device) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_send_in_messages(retptr, this.__wbg_ptr, device);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * The session as it is now.
     * @param {number} session
     * @returns {RawSession}
     */
    session(session) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_session(retptr, this.__wbg_ptr, session);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            if (r2) {
                throw takeObject(r1);
            }
            return RawSession.__wrap(r0);
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * The sessions in `count` slots from `from` on: their handles, then the counters of each.
     * @param {number} from
     * @param {number} count
     * @returns {Float64Array}
     */
    session_slice(from, count) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_session_slice(retptr, this.__wbg_ptr, from, count);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * How many slots there are that sessions may be in.
     * @returns {number}
     */
    session_slots() {
        const ret = wasm.raw_session_slots(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @param {bigint} base
     */
    set_base(base) {
        wasm.raw_set_base(this.__wbg_ptr, base);
    }
    /**
     * @param {number} session
     * @param {RawPolicy} spec
     */
    set_policy(session, spec) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            _assertClass(spec, RawPolicy);
            wasm.raw_set_policy(retptr, this.__wbg_ptr, session, spec.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} port
     * @param {number} host
     */
    set_receiver(port, host) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_set_receiver(retptr, this.__wbg_ptr, port, host);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} index
     * @returns {number}
     */
    split_message(index) {
        const ret = wasm.raw_split_message(this.__wbg_ptr, index);
        return ret >>> 0;
    }
    /**
     * What happened since the last call: what, switch, port, other port (0: none), VLAN, MAC each; last, how much more
     * there was than room for.
     * @returns {Float64Array}
     */
    switch_events() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_switch_events(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * Stations that are known, and the least MTU of the ports, 0 where none is known.
     * @param {number} _switch
     * @returns {Float64Array}
     */
    switch_figures(_switch) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_switch_figures(retptr, this.__wbg_ptr, _switch);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * How many ports a switch has.
     * @param {number} _switch
     * @returns {number}
     */
    switch_port_count(_switch) {
        const ret = wasm.raw_switch_port_count(this.__wbg_ptr, _switch);
        return ret >>> 0;
    }
    /**
     * Stations learnt at a port, milliseconds that it is blocked for, then its counters.
     * @param {number} port
     * @param {number} now
     * @returns {Float64Array}
     */
    switch_port_figures(port, now) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_switch_port_figures(retptr, this.__wbg_ptr, port, now);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var r2 = getDataViewMemory0().getInt32(retptr + 4 * 2, true);
            var r3 = getDataViewMemory0().getInt32(retptr + 4 * 3, true);
            if (r3) {
                throw takeObject(r2);
            }
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * A termination's and a session's handle, and 0 to 2 for what is over: idle, session, quota; and the next ones.
     * @returns {Float64Array}
     */
    take_expired() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_take_expired(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @param {number} socket
     * @param {boolean} on
     */
    tell_marks(socket, on) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_tell_marks(retptr, this.__wbg_ptr, socket, on);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * `kind` 0: none; 1: `outside` and `inside`; 2: one VLAN, which is `inside` where there is any.
     * @param {number} port
     * @param {number} kind
     * @param {Uint16Array} outside
     * @param {Uint16Array} inside
     */
    translate(port, kind, outside, inside) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            const ptr0 = passArray16ToWasm0(outside, wasm.__wbindgen_export2);
            const len0 = WASM_VECTOR_LEN;
            const ptr1 = passArray16ToWasm0(inside, wasm.__wbindgen_export2);
            const len1 = WASM_VECTOR_LEN;
            wasm.raw_translate(retptr, this.__wbg_ptr, port, kind, ptr0, len0, ptr1, len1);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * The tunnel of message `index`; -1: none.
     * @param {number} index
     * @returns {number}
     */
    tunnel_of_message(index) {
        const ret = wasm.raw_tunnel_of_message(this.__wbg_ptr, index);
        return ret;
    }
    /**
     * The tunnels in `count` slots from `from` on: their handles, then the counters of each.
     * @param {number} from
     * @param {number} count
     * @returns {Float64Array}
     */
    tunnel_slice(from, count) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_tunnel_slice(retptr, this.__wbg_ptr, from, count);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayF64FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 8, 8);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * How many slots there are that tunnels may be in.
     * @returns {number}
     */
    tunnel_slots() {
        const ret = wasm.raw_tunnel_slots(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * As `message_dropped`.
     * @param {number} op
     * @param {number} reason
     */
    write_dropped(op, reason) {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.raw_write_dropped(retptr, this.__wbg_ptr, op, reason);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            if (r1) {
                throw takeObject(r0);
            }
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
}
if (Symbol.dispose) Raw.prototype[Symbol.dispose] = Raw.prototype.free;

/**
 * `Layout` of `mod.ts`.
 */
export class RawLayout {
    static __wrap(ptr) {
        const obj = Object.create(RawLayout.prototype);
        obj.__wbg_ptr = ptr;
        RawLayoutFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        RawLayoutFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_rawlayout_free(ptr, 0);
    }
    /**
     * @returns {number}
     */
    get events() {
        const ret = wasm.__wbg_get_rawlayout_events(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get first_slot() {
        const ret = wasm.__wbg_get_rawlayout_first_slot(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get rx_lengths() {
        const ret = wasm.__wbg_get_rawlayout_rx_lengths(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get rx_messages() {
        const ret = wasm.__wbg_get_rawlayout_rx_messages(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get scratch() {
        const ret = wasm.__wbg_get_rawlayout_scratch(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get slot_size() {
        const ret = wasm.__wbg_get_rawlayout_slot_size(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get slot_stride() {
        const ret = wasm.__wbg_get_rawlayout_slot_stride(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get tx_iovec_count() {
        const ret = wasm.__wbg_get_rawlayout_tx_iovec_count(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get tx_iovecs() {
        const ret = wasm.__wbg_get_rawlayout_tx_iovecs(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get tx_message_count() {
        const ret = wasm.__wbg_get_rawlayout_tx_message_count(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get tx_messages() {
        const ret = wasm.__wbg_get_rawlayout_tx_messages(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get tx_ops() {
        const ret = wasm.__wbg_get_rawlayout_tx_ops(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get tx_split() {
        const ret = wasm.__wbg_get_rawlayout_tx_split(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @param {number} arg0
     */
    set events(arg0) {
        wasm.__wbg_set_rawlayout_events(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set first_slot(arg0) {
        wasm.__wbg_set_rawlayout_first_slot(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set rx_lengths(arg0) {
        wasm.__wbg_set_rawlayout_rx_lengths(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set rx_messages(arg0) {
        wasm.__wbg_set_rawlayout_rx_messages(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set scratch(arg0) {
        wasm.__wbg_set_rawlayout_scratch(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set slot_size(arg0) {
        wasm.__wbg_set_rawlayout_slot_size(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set slot_stride(arg0) {
        wasm.__wbg_set_rawlayout_slot_stride(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set tx_iovec_count(arg0) {
        wasm.__wbg_set_rawlayout_tx_iovec_count(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set tx_iovecs(arg0) {
        wasm.__wbg_set_rawlayout_tx_iovecs(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set tx_message_count(arg0) {
        wasm.__wbg_set_rawlayout_tx_message_count(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set tx_messages(arg0) {
        wasm.__wbg_set_rawlayout_tx_messages(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set tx_ops(arg0) {
        wasm.__wbg_set_rawlayout_tx_ops(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set tx_split(arg0) {
        wasm.__wbg_set_rawlayout_tx_split(this.__wbg_ptr, arg0);
    }
}
if (Symbol.dispose) RawLayout.prototype[Symbol.dispose] = RawLayout.prototype.free;

/**
 * `MemberSpec` of `ppp.ts`.
 */
export class RawMember {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        RawMemberFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_rawmember_free(ptr, 0);
    }
    /**
     * @returns {boolean}
     */
    get address_control() {
        const ret = wasm.__wbg_get_rawmember_address_control(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @returns {boolean}
     */
    get clamp() {
        const ret = wasm.__wbg_get_rawmember_clamp(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @returns {boolean}
     */
    get compress_protocol() {
        const ret = wasm.__wbg_get_rawmember_compress_protocol(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * -1: as it comes.
     * @returns {number}
     */
    get dscp() {
        const ret = wasm.__wbg_get_rawmember_dscp(this.__wbg_ptr);
        return ret;
    }
    /**
     * 0: none.
     * @returns {number}
     */
    get idle_ms() {
        const ret = wasm.__wbg_get_rawmember_idle_ms(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * 0: any.
     * @returns {bigint}
     */
    get interface_id() {
        const ret = wasm.__wbg_get_rawmember_interface_id(this.__wbg_ptr);
        return BigInt.asUintN(64, ret);
    }
    /**
     * @returns {number}
     */
    get mru() {
        const ret = wasm.__wbg_get_rawmember_mru(this.__wbg_ptr);
        return ret;
    }
    /**
     * For each: 4 or 6, its bits, and 16 bytes of address; of an IPv4 one the first four.
     * @returns {Uint8Array}
     */
    get prefixes() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawmember_prefixes(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU8FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 1, 1);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {bigint}
     */
    get quota() {
        const ret = wasm.__wbg_get_rawmember_quota(this.__wbg_ptr);
        return BigInt.asUintN(64, ret);
    }
    /**
     * @returns {number}
     */
    get session_ms() {
        const ret = wasm.__wbg_get_rawmember_session_ms(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {boolean}
     */
    get source_check() {
        const ret = wasm.__wbg_get_rawmember_source_check(this.__wbg_ptr);
        return ret !== 0;
    }
    constructor() {
        const ret = wasm.rawmember_new();
        this.__wbg_ptr = ret;
        RawMemberFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * @param {boolean} arg0
     */
    set address_control(arg0) {
        wasm.__wbg_set_rawmember_address_control(this.__wbg_ptr, arg0);
    }
    /**
     * @param {boolean} arg0
     */
    set clamp(arg0) {
        wasm.__wbg_set_rawmember_clamp(this.__wbg_ptr, arg0);
    }
    /**
     * @param {boolean} arg0
     */
    set compress_protocol(arg0) {
        wasm.__wbg_set_rawmember_compress_protocol(this.__wbg_ptr, arg0);
    }
    /**
     * -1: as it comes.
     * @param {number} arg0
     */
    set dscp(arg0) {
        wasm.__wbg_set_rawmember_dscp(this.__wbg_ptr, arg0);
    }
    /**
     * 0: none.
     * @param {number} arg0
     */
    set idle_ms(arg0) {
        wasm.__wbg_set_rawmember_idle_ms(this.__wbg_ptr, arg0);
    }
    /**
     * 0: any.
     * @param {bigint} arg0
     */
    set interface_id(arg0) {
        wasm.__wbg_set_rawmember_interface_id(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set mru(arg0) {
        wasm.__wbg_set_rawmember_mru(this.__wbg_ptr, arg0);
    }
    /**
     * For each: 4 or 6, its bits, and 16 bytes of address; of an IPv4 one the first four.
     * @param {Uint8Array} arg0
     */
    set prefixes(arg0) {
        const ptr0 = passArray8ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawmember_prefixes(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * @param {bigint} arg0
     */
    set quota(arg0) {
        wasm.__wbg_set_rawmember_quota(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set session_ms(arg0) {
        wasm.__wbg_set_rawmember_session_ms(this.__wbg_ptr, arg0);
    }
    /**
     * @param {boolean} arg0
     */
    set source_check(arg0) {
        wasm.__wbg_set_rawmember_source_check(this.__wbg_ptr, arg0);
    }
}
if (Symbol.dispose) RawMember.prototype[Symbol.dispose] = RawMember.prototype.free;

/**
 * `SessionPolicy` of `mod.ts`.
 */
export class RawPolicy {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        RawPolicyFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_rawpolicy_free(ptr, 0);
    }
    /**
     * @returns {number}
     */
    get burst() {
        const ret = wasm.__wbg_get_rawpolicy_burst(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Empty: any.
     * @returns {Uint8Array}
     */
    get mac() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawpolicy_mac(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU8FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 1, 1);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * 0: as it is.
     * @returns {number}
     */
    get mss_for_frame() {
        const ret = wasm.__wbg_get_rawpolicy_mss_for_frame(this.__wbg_ptr);
        return ret;
    }
    /**
     * 0: as it is.
     * @returns {number}
     */
    get mss() {
        const ret = wasm.__wbg_get_rawpolicy_mss(this.__wbg_ptr);
        return ret;
    }
    /**
     * Kilobits a second; 0: no limit.
     * @returns {number}
     */
    get rx_rate() {
        const ret = wasm.__wbg_get_rawpolicy_rx_rate(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get tx_rate() {
        const ret = wasm.__wbg_get_rawpolicy_tx_rate(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {Uint8Array}
     */
    get v4() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawpolicy_v4(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU8FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 1, 1);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {number}
     */
    get v6_bits() {
        const ret = wasm.__wbg_get_rawpolicy_v6_bits(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {Uint8Array}
     */
    get v6() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawpolicy_v6(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU8FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 1, 1);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    constructor() {
        const ret = wasm.rawpolicy_new();
        this.__wbg_ptr = ret;
        RawPolicyFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * @param {number} arg0
     */
    set burst(arg0) {
        wasm.__wbg_set_rawpolicy_burst(this.__wbg_ptr, arg0);
    }
    /**
     * Empty: any.
     * @param {Uint8Array} arg0
     */
    set mac(arg0) {
        const ptr0 = passArray8ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawpolicy_mac(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * 0: as it is.
     * @param {number} arg0
     */
    set mss_for_frame(arg0) {
        wasm.__wbg_set_rawpolicy_mss_for_frame(this.__wbg_ptr, arg0);
    }
    /**
     * 0: as it is.
     * @param {number} arg0
     */
    set mss(arg0) {
        wasm.__wbg_set_rawpolicy_mss(this.__wbg_ptr, arg0);
    }
    /**
     * Kilobits a second; 0: no limit.
     * @param {number} arg0
     */
    set rx_rate(arg0) {
        wasm.__wbg_set_rawpolicy_rx_rate(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set tx_rate(arg0) {
        wasm.__wbg_set_rawpolicy_tx_rate(this.__wbg_ptr, arg0);
    }
    /**
     * @param {Uint8Array} arg0
     */
    set v4(arg0) {
        const ptr0 = passArray8ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawpolicy_v4(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * @param {number} arg0
     */
    set v6_bits(arg0) {
        wasm.__wbg_set_rawpolicy_v6_bits(this.__wbg_ptr, arg0);
    }
    /**
     * @param {Uint8Array} arg0
     */
    set v6(arg0) {
        const ptr0 = passArray8ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawpolicy_v6(this.__wbg_ptr, ptr0, len0);
    }
}
if (Symbol.dispose) RawPolicy.prototype[Symbol.dispose] = RawPolicy.prototype.free;

/**
 * `SessionSpec` of `mod.ts`.
 */
export class RawSession {
    static __wrap(ptr) {
        const obj = Object.create(RawSession.prototype);
        obj.__wbg_ptr = ptr;
        RawSessionFinalization.register(obj, obj.__wbg_ptr, obj);
        return obj;
    }
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        RawSessionFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_rawsession_free(ptr, 0);
    }
    /**
     * @returns {Uint8Array}
     */
    get cookie() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawsession_cookie(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU8FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 1, 1);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {number}
     */
    get frame_type() {
        const ret = wasm.__wbg_get_rawsession_frame_type(this.__wbg_ptr);
        return ret;
    }
    /**
     * 0: as it comes; 1: with FF 03; 2: without.
     * @returns {number}
     */
    get framing() {
        const ret = wasm.__wbg_get_rawsession_framing(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {boolean}
     */
    get l2spec() {
        const ret = wasm.__wbg_get_rawsession_l2spec(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @returns {boolean}
     */
    get lns_mode() {
        const ret = wasm.__wbg_get_rawsession_lns_mode(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @returns {Uint8Array}
     */
    get peer_cookie() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawsession_peer_cookie(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU8FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 1, 1);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {boolean}
     */
    get peer_l2spec() {
        const ret = wasm.__wbg_get_rawsession_peer_l2spec(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @returns {number}
     */
    get peer_session_id() {
        const ret = wasm.__wbg_get_rawsession_peer_session_id(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {boolean}
     */
    get recv_seq() {
        const ret = wasm.__wbg_get_rawsession_recv_seq(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @returns {number}
     */
    get reorder_timeout_ms() {
        const ret = wasm.__wbg_get_rawsession_reorder_timeout_ms(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {number}
     */
    get restart_after_ms() {
        const ret = wasm.__wbg_get_rawsession_restart_after_ms(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get restart_run() {
        const ret = wasm.__wbg_get_rawsession_restart_run(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {boolean}
     */
    get send_seq() {
        const ret = wasm.__wbg_get_rawsession_send_seq(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @returns {number}
     */
    get session_id() {
        const ret = wasm.__wbg_get_rawsession_session_id(this.__wbg_ptr);
        return ret >>> 0;
    }
    constructor() {
        const ret = wasm.rawsession_new();
        this.__wbg_ptr = ret;
        RawSessionFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * @param {Uint8Array} arg0
     */
    set cookie(arg0) {
        const ptr0 = passArray8ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawsession_cookie(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * @param {number} arg0
     */
    set frame_type(arg0) {
        wasm.__wbg_set_rawsession_frame_type(this.__wbg_ptr, arg0);
    }
    /**
     * 0: as it comes; 1: with FF 03; 2: without.
     * @param {number} arg0
     */
    set framing(arg0) {
        wasm.__wbg_set_rawsession_framing(this.__wbg_ptr, arg0);
    }
    /**
     * @param {boolean} arg0
     */
    set l2spec(arg0) {
        wasm.__wbg_set_rawsession_l2spec(this.__wbg_ptr, arg0);
    }
    /**
     * @param {boolean} arg0
     */
    set lns_mode(arg0) {
        wasm.__wbg_set_rawsession_lns_mode(this.__wbg_ptr, arg0);
    }
    /**
     * @param {Uint8Array} arg0
     */
    set peer_cookie(arg0) {
        const ptr0 = passArray8ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawsession_peer_cookie(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * @param {boolean} arg0
     */
    set peer_l2spec(arg0) {
        wasm.__wbg_set_rawsession_peer_l2spec(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set peer_session_id(arg0) {
        wasm.__wbg_set_rawsession_peer_session_id(this.__wbg_ptr, arg0);
    }
    /**
     * @param {boolean} arg0
     */
    set recv_seq(arg0) {
        wasm.__wbg_set_rawsession_recv_seq(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set reorder_timeout_ms(arg0) {
        wasm.__wbg_set_rawsession_reorder_timeout_ms(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set restart_after_ms(arg0) {
        wasm.__wbg_set_rawsession_restart_after_ms(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set restart_run(arg0) {
        wasm.__wbg_set_rawsession_restart_run(this.__wbg_ptr, arg0);
    }
    /**
     * @param {boolean} arg0
     */
    set send_seq(arg0) {
        wasm.__wbg_set_rawsession_send_seq(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set session_id(arg0) {
        wasm.__wbg_set_rawsession_session_id(this.__wbg_ptr, arg0);
    }
}
if (Symbol.dispose) RawSession.prototype[Symbol.dispose] = RawSession.prototype.free;

/**
 * `SwitchSpec` of `switches.ts`.
 */
export class RawSwitch {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        RawSwitchFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_rawswitch_free(ptr, 0);
    }
    /**
     * Milliseconds.
     * @returns {number}
     */
    get ageing() {
        const ret = wasm.__wbg_get_rawswitch_ageing(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {Uint16Array}
     */
    get flood_vlans() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawswitch_flood_vlans(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU16FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 2, 2);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {number}
     */
    get loop_block() {
        const ret = wasm.__wbg_get_rawswitch_loop_block(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {number}
     */
    get loop_moves() {
        const ret = wasm.__wbg_get_rawswitch_loop_moves(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * Milliseconds, as the next.
     * @returns {number}
     */
    get loop_within() {
        const ret = wasm.__wbg_get_rawswitch_loop_within(this.__wbg_ptr);
        return ret;
    }
    /**
     * A bit for each reserved address that is passed on.
     * @returns {number}
     */
    get reserved() {
        const ret = wasm.__wbg_get_rawswitch_reserved(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {bigint}
     */
    get seed() {
        const ret = wasm.__wbg_get_rawswitch_seed(this.__wbg_ptr);
        return BigInt.asUintN(64, ret);
    }
    /**
     * @returns {number}
     */
    get table() {
        const ret = wasm.__wbg_get_rawswitch_table(this.__wbg_ptr);
        return ret >>> 0;
    }
    constructor() {
        const ret = wasm.rawswitch_new();
        this.__wbg_ptr = ret;
        RawSwitchFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * Milliseconds.
     * @param {number} arg0
     */
    set ageing(arg0) {
        wasm.__wbg_set_rawswitch_ageing(this.__wbg_ptr, arg0);
    }
    /**
     * @param {Uint16Array} arg0
     */
    set flood_vlans(arg0) {
        const ptr0 = passArray16ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawswitch_flood_vlans(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * @param {number} arg0
     */
    set loop_block(arg0) {
        wasm.__wbg_set_rawswitch_loop_block(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set loop_moves(arg0) {
        wasm.__wbg_set_rawswitch_loop_moves(this.__wbg_ptr, arg0);
    }
    /**
     * Milliseconds, as the next.
     * @param {number} arg0
     */
    set loop_within(arg0) {
        wasm.__wbg_set_rawswitch_loop_within(this.__wbg_ptr, arg0);
    }
    /**
     * A bit for each reserved address that is passed on.
     * @param {number} arg0
     */
    set reserved(arg0) {
        wasm.__wbg_set_rawswitch_reserved(this.__wbg_ptr, arg0);
    }
    /**
     * @param {bigint} arg0
     */
    set seed(arg0) {
        wasm.__wbg_set_rawswitch_seed(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set table(arg0) {
        wasm.__wbg_set_rawswitch_table(this.__wbg_ptr, arg0);
    }
}
if (Symbol.dispose) RawSwitch.prototype[Symbol.dispose] = RawSwitch.prototype.free;

/**
 * `SwitchPortSpec` of `switches.ts`.
 */
export class RawSwitchPort {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        RawSwitchPortFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_rawswitchport_free(ptr, 0);
    }
    /**
     * @returns {number}
     */
    get broadcast() {
        const ret = wasm.__wbg_get_rawswitchport_broadcast(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {Uint16Array}
     */
    get cvlans() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawswitchport_cvlans(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU16FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 2, 2);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {boolean}
     */
    get down() {
        const ret = wasm.__wbg_get_rawswitchport_down(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @returns {number}
     */
    get group() {
        const ret = wasm.__wbg_get_rawswitchport_group(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get limit() {
        const ret = wasm.__wbg_get_rawswitchport_limit(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get mode() {
        const ret = wasm.__wbg_get_rawswitchport_mode(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get mtu() {
        const ret = wasm.__wbg_get_rawswitchport_mtu(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get multicast() {
        const ret = wasm.__wbg_get_rawswitchport_multicast(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get priority_tags() {
        const ret = wasm.__wbg_get_rawswitchport_priority_tags(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {boolean}
     */
    get protected() {
        const ret = wasm.__wbg_get_rawswitchport_protected(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @returns {number}
     */
    get qinq_ethertype() {
        const ret = wasm.__wbg_get_rawswitchport_qinq_ethertype(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {number}
     */
    get tag() {
        const ret = wasm.__wbg_get_rawswitchport_tag(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {Uint16Array}
     */
    get trunks() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawswitchport_trunks(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU16FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 2, 2);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {number}
     */
    get unknown() {
        const ret = wasm.__wbg_get_rawswitchport_unknown(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get vlan_limit() {
        const ret = wasm.__wbg_get_rawswitchport_vlan_limit(this.__wbg_ptr);
        return ret;
    }
    constructor() {
        const ret = wasm.rawswitchport_new();
        this.__wbg_ptr = ret;
        RawSwitchPortFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * @param {number} arg0
     */
    set broadcast(arg0) {
        wasm.__wbg_set_rawswitchport_broadcast(this.__wbg_ptr, arg0);
    }
    /**
     * @param {Uint16Array} arg0
     */
    set cvlans(arg0) {
        const ptr0 = passArray16ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawswitchport_cvlans(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * @param {boolean} arg0
     */
    set down(arg0) {
        wasm.__wbg_set_rawswitchport_down(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set group(arg0) {
        wasm.__wbg_set_rawswitchport_group(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set limit(arg0) {
        wasm.__wbg_set_rawswitchport_limit(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set mode(arg0) {
        wasm.__wbg_set_rawswitchport_mode(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set mtu(arg0) {
        wasm.__wbg_set_rawswitchport_mtu(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set multicast(arg0) {
        wasm.__wbg_set_rawswitchport_multicast(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set priority_tags(arg0) {
        wasm.__wbg_set_rawswitchport_priority_tags(this.__wbg_ptr, arg0);
    }
    /**
     * @param {boolean} arg0
     */
    set protected(arg0) {
        wasm.__wbg_set_rawswitchport_protected(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set qinq_ethertype(arg0) {
        wasm.__wbg_set_rawswitchport_qinq_ethertype(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set tag(arg0) {
        wasm.__wbg_set_rawswitchport_tag(this.__wbg_ptr, arg0);
    }
    /**
     * @param {Uint16Array} arg0
     */
    set trunks(arg0) {
        const ptr0 = passArray16ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawswitchport_trunks(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * @param {number} arg0
     */
    set unknown(arg0) {
        wasm.__wbg_set_rawswitchport_unknown(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set vlan_limit(arg0) {
        wasm.__wbg_set_rawswitchport_vlan_limit(this.__wbg_ptr, arg0);
    }
}
if (Symbol.dispose) RawSwitchPort.prototype[Symbol.dispose] = RawSwitchPort.prototype.free;

/**
 * `TunnelSpec` of `mod.ts`.
 */
export class RawTunnel {
    __destroy_into_raw() {
        const ptr = this.__wbg_ptr;
        this.__wbg_ptr = 0;
        RawTunnelFinalization.unregister(this);
        return ptr;
    }
    free() {
        const ptr = this.__destroy_into_raw();
        wasm.__wbg_rawtunnel_free(ptr, 0);
    }
    /**
     * @returns {number}
     */
    get encap() {
        const ret = wasm.__wbg_get_rawtunnel_encap(this.__wbg_ptr);
        return ret;
    }
    /**
     * Empty: none.
     * @returns {Uint8Array}
     */
    get local() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawtunnel_local(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU8FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 1, 1);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * 0: not known.
     * @returns {number}
     */
    get longest() {
        const ret = wasm.__wbg_get_rawtunnel_longest(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {number}
     */
    get mark() {
        const ret = wasm.__wbg_get_rawtunnel_mark(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get peer_tunnel_id() {
        const ret = wasm.__wbg_get_rawtunnel_peer_tunnel_id(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get port() {
        const ret = wasm.__wbg_get_rawtunnel_port(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {Uint8Array}
     */
    get remote() {
        try {
            const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
            wasm.__wbg_get_rawtunnel_remote(retptr, this.__wbg_ptr);
            var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
            var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
            var v1 = getArrayU8FromWasm0(r0, r1).slice();
            wasm.__wbindgen_export(r0, r1 * 1, 1);
            return v1;
        } finally {
            wasm.__wbindgen_add_to_stack_pointer(16);
        }
    }
    /**
     * @returns {number}
     */
    get scope() {
        const ret = wasm.__wbg_get_rawtunnel_scope(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {boolean}
     */
    get segment() {
        const ret = wasm.__wbg_get_rawtunnel_segment(this.__wbg_ptr);
        return ret !== 0;
    }
    /**
     * @returns {number}
     */
    get socket() {
        const ret = wasm.__wbg_get_rawtunnel_socket(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {number}
     */
    get source_check() {
        const ret = wasm.__wbg_get_rawtunnel_source_check(this.__wbg_ptr);
        return ret;
    }
    /**
     * DSCP and ECN; -1: the kernel's choice; -2: each frame's own DSCP.
     * @returns {number}
     */
    get tos() {
        const ret = wasm.__wbg_get_rawtunnel_tos(this.__wbg_ptr);
        return ret;
    }
    /**
     * 0: the kernel's choice.
     * @returns {number}
     */
    get ttl() {
        const ret = wasm.__wbg_get_rawtunnel_ttl(this.__wbg_ptr);
        return ret;
    }
    /**
     * @returns {number}
     */
    get tunnel_id() {
        const ret = wasm.__wbg_get_rawtunnel_tunnel_id(this.__wbg_ptr);
        return ret >>> 0;
    }
    /**
     * @returns {number}
     */
    get version() {
        const ret = wasm.__wbg_get_rawtunnel_version(this.__wbg_ptr);
        return ret;
    }
    constructor() {
        const ret = wasm.rawtunnel_new();
        this.__wbg_ptr = ret;
        RawTunnelFinalization.register(this, this.__wbg_ptr, this);
        return this;
    }
    /**
     * @param {number} arg0
     */
    set encap(arg0) {
        wasm.__wbg_set_rawtunnel_encap(this.__wbg_ptr, arg0);
    }
    /**
     * Empty: none.
     * @param {Uint8Array} arg0
     */
    set local(arg0) {
        const ptr0 = passArray8ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawtunnel_local(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * 0: not known.
     * @param {number} arg0
     */
    set longest(arg0) {
        wasm.__wbg_set_rawtunnel_longest(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set mark(arg0) {
        wasm.__wbg_set_rawtunnel_mark(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set peer_tunnel_id(arg0) {
        wasm.__wbg_set_rawtunnel_peer_tunnel_id(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set port(arg0) {
        wasm.__wbg_set_rawtunnel_port(this.__wbg_ptr, arg0);
    }
    /**
     * @param {Uint8Array} arg0
     */
    set remote(arg0) {
        const ptr0 = passArray8ToWasm0(arg0, wasm.__wbindgen_export2);
        const len0 = WASM_VECTOR_LEN;
        wasm.__wbg_set_rawtunnel_remote(this.__wbg_ptr, ptr0, len0);
    }
    /**
     * @param {number} arg0
     */
    set scope(arg0) {
        wasm.__wbg_set_rawtunnel_scope(this.__wbg_ptr, arg0);
    }
    /**
     * @param {boolean} arg0
     */
    set segment(arg0) {
        wasm.__wbg_set_rawtunnel_segment(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set socket(arg0) {
        wasm.__wbg_set_rawtunnel_socket(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set source_check(arg0) {
        wasm.__wbg_set_rawtunnel_source_check(this.__wbg_ptr, arg0);
    }
    /**
     * DSCP and ECN; -1: the kernel's choice; -2: each frame's own DSCP.
     * @param {number} arg0
     */
    set tos(arg0) {
        wasm.__wbg_set_rawtunnel_tos(this.__wbg_ptr, arg0);
    }
    /**
     * 0: the kernel's choice.
     * @param {number} arg0
     */
    set ttl(arg0) {
        wasm.__wbg_set_rawtunnel_ttl(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set tunnel_id(arg0) {
        wasm.__wbg_set_rawtunnel_tunnel_id(this.__wbg_ptr, arg0);
    }
    /**
     * @param {number} arg0
     */
    set version(arg0) {
        wasm.__wbg_set_rawtunnel_version(this.__wbg_ptr, arg0);
    }
}
if (Symbol.dispose) RawTunnel.prototype[Symbol.dispose] = RawTunnel.prototype.free;

/**
 * The names of `Raw::drops`, joined by spaces.
 * @returns {string}
 */
export function drop_names() {
    let deferred1_0;
    let deferred1_1;
    try {
        const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
        wasm.drop_names(retptr);
        var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
        var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
        deferred1_0 = r0;
        deferred1_1 = r1;
        return getStringFromWasm0(r0, r1);
    } finally {
        wasm.__wbindgen_add_to_stack_pointer(16);
        wasm.__wbindgen_export(deferred1_0, deferred1_1, 1);
    }
}

/**
 * The names of `Raw::io`, joined by spaces.
 * @returns {string}
 */
export function io_names() {
    let deferred1_0;
    let deferred1_1;
    try {
        const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
        wasm.io_names(retptr);
        var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
        var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
        deferred1_0 = r0;
        deferred1_1 = r1;
        return getStringFromWasm0(r0, r1);
    } finally {
        wasm.__wbindgen_add_to_stack_pointer(16);
        wasm.__wbindgen_export(deferred1_0, deferred1_1, 1);
    }
}

/**
 * The names of a switch port's counters, joined by spaces.
 * @returns {string}
 */
export function switch_count_names() {
    let deferred1_0;
    let deferred1_1;
    try {
        const retptr = wasm.__wbindgen_add_to_stack_pointer(-16);
        wasm.switch_count_names(retptr);
        var r0 = getDataViewMemory0().getInt32(retptr + 4 * 0, true);
        var r1 = getDataViewMemory0().getInt32(retptr + 4 * 1, true);
        deferred1_0 = r0;
        deferred1_1 = r1;
        return getStringFromWasm0(r0, r1);
    } finally {
        wasm.__wbindgen_add_to_stack_pointer(16);
        wasm.__wbindgen_export(deferred1_0, deferred1_1, 1);
    }
}
export function __wbg___wbindgen_throw_5d9e815e6fdf150f(arg0, arg1) {
    throw new Error(getStringFromWasm0(arg0, arg1));
}
export function __wbindgen_generic_0000000000000001(arg0, arg1) {
    // Cast intrinsic for `Ref(String) -> Externref`.
    const ret = getStringFromWasm0(arg0, arg1);
    return addHeapObject(ret);
}
const RawFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_raw_free(ptr, 1));
const RawLayoutFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_rawlayout_free(ptr, 1));
const RawMemberFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_rawmember_free(ptr, 1));
const RawPolicyFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_rawpolicy_free(ptr, 1));
const RawSessionFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_rawsession_free(ptr, 1));
const RawSwitchFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_rawswitch_free(ptr, 1));
const RawSwitchPortFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_rawswitchport_free(ptr, 1));
const RawTunnelFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_rawtunnel_free(ptr, 1));

function addHeapObject(obj) {
    if (heap_next === heap.length) heap.push(heap.length + 1);
    const idx = heap_next;
    heap_next = heap[idx];

    heap[idx] = obj;
    return idx;
}

function _assertClass(instance, klass) {
    if (!(instance instanceof klass)) {
        throw new Error(`expected instance of ${klass.name}`);
    }
}

function dropObject(idx) {
    if (idx < 1028) return;
    heap[idx] = heap_next;
    heap_next = idx;
}

function getArrayF64FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getFloat64ArrayMemory0().subarray(ptr / 8, ptr / 8 + len);
}

function getArrayU16FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getUint16ArrayMemory0().subarray(ptr / 2, ptr / 2 + len);
}

function getArrayU8FromWasm0(ptr, len) {
    ptr = ptr >>> 0;
    return getUint8ArrayMemory0().subarray(ptr / 1, ptr / 1 + len);
}

let cachedDataViewMemory0 = null;
function getDataViewMemory0() {
    if (cachedDataViewMemory0 === null || cachedDataViewMemory0.buffer.detached === true || (cachedDataViewMemory0.buffer.detached === undefined && cachedDataViewMemory0.buffer !== wasm.memory.buffer)) {
        cachedDataViewMemory0 = new DataView(wasm.memory.buffer);
    }
    return cachedDataViewMemory0;
}

let cachedFloat64ArrayMemory0 = null;
function getFloat64ArrayMemory0() {
    if (cachedFloat64ArrayMemory0 === null || cachedFloat64ArrayMemory0.byteLength === 0) {
        cachedFloat64ArrayMemory0 = new Float64Array(wasm.memory.buffer);
    }
    return cachedFloat64ArrayMemory0;
}

function getStringFromWasm0(ptr, len) {
    return decodeText(ptr >>> 0, len);
}

let cachedUint16ArrayMemory0 = null;
function getUint16ArrayMemory0() {
    if (cachedUint16ArrayMemory0 === null || cachedUint16ArrayMemory0.byteLength === 0) {
        cachedUint16ArrayMemory0 = new Uint16Array(wasm.memory.buffer);
    }
    return cachedUint16ArrayMemory0;
}

let cachedUint32ArrayMemory0 = null;
function getUint32ArrayMemory0() {
    if (cachedUint32ArrayMemory0 === null || cachedUint32ArrayMemory0.byteLength === 0) {
        cachedUint32ArrayMemory0 = new Uint32Array(wasm.memory.buffer);
    }
    return cachedUint32ArrayMemory0;
}

let cachedUint8ArrayMemory0 = null;
function getUint8ArrayMemory0() {
    if (cachedUint8ArrayMemory0 === null || cachedUint8ArrayMemory0.byteLength === 0) {
        cachedUint8ArrayMemory0 = new Uint8Array(wasm.memory.buffer);
    }
    return cachedUint8ArrayMemory0;
}

function getObject(idx) { return heap[idx]; }

let heap = new Array(1024).fill(undefined);
heap.push(undefined, null, true, false);

let heap_next = heap.length;

function passArray16ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 2, 2) >>> 0;
    getUint16ArrayMemory0().set(arg, ptr / 2);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function passArray32ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 4, 4) >>> 0;
    getUint32ArrayMemory0().set(arg, ptr / 4);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function passArray8ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 1, 1) >>> 0;
    getUint8ArrayMemory0().set(arg, ptr / 1);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function passArrayF64ToWasm0(arg, malloc) {
    const ptr = malloc(arg.length * 8, 8) >>> 0;
    getFloat64ArrayMemory0().set(arg, ptr / 8);
    WASM_VECTOR_LEN = arg.length;
    return ptr;
}

function takeObject(idx) {
    const ret = getObject(idx);
    dropObject(idx);
    return ret;
}

let cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
cachedTextDecoder.decode();
const MAX_SAFARI_DECODE_BYTES = 2146435072;
let numBytesDecoded = 0;
function decodeText(ptr, len) {
    numBytesDecoded += len;
    if (numBytesDecoded >= MAX_SAFARI_DECODE_BYTES) {
        cachedTextDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
        cachedTextDecoder.decode();
        numBytesDecoded = len;
    }
    return cachedTextDecoder.decode(getUint8ArrayMemory0().subarray(ptr, ptr + len));
}

let WASM_VECTOR_LEN = 0;


let wasm;
export function __wbg_set_wasm(val) {
    wasm = val;
}
