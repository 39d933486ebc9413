/* @ts-self-types="./isthmus_datapath.d.ts" */
import * as wasm from "./isthmus_datapath_bg.wasm";
import { __wbg_set_wasm } from "./isthmus_datapath_bg.js";

__wbg_set_wasm(wasm);

export {
    Raw, RawLayout, RawMember, RawPolicy, RawSession, RawSwitch, RawSwitchPort, RawTunnel, drop_names, io_names, switch_count_names
} from "./isthmus_datapath_bg.js";
