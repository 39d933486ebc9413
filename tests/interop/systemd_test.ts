/** The service as the install chapter sets it up, word by word, under a real systemd. */

import assert from "node:assert/strict";
import { boot, type Booted, debianNeeds, makeTree, provideProgram } from "./support/debian.ts";
import { output, until } from "./support/process.ts";
import { missing } from "./support/programs.ts";
import { say } from "./support/suite.ts";

const page = await Deno.readTextFile(new URL("../../docs/install.md", import.meta.url));
const lacking = missing([...debianNeeds]);
if (lacking.length > 0) say(`SKIPPED systemd_test.ts: ${lacking.join(", ")}`);

/** The commands of the chapter's part that begins at a heading, up to the next one. */
function commands(heading: string): string[] {
  const part = page.slice(page.indexOf(heading)).split("\n## ")[0]!;
  return [...part.matchAll(/^```sh\n(.*?)^```$/gms)].flatMap(([, block]) =>
    block!.trim().split("\n")
  );
}

/** What needs the Internet, and is done from outside: the program and Deno are copied, and packages are fetched. */
const fromOutside = /^(git clone|install -m 0755 deno|\/opt\/isthmus\/bin\/fetch$)/;

Deno.test({
  name:
    "the install chapter leads to a service that starts, reloads, stops and is watched, and uninstalls",
  ignore: lacking.length > 0,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(t) {
    await using tree = await makeTree();
    await provideProgram(tree);
    await output([`${tree.path}/opt/isthmus/bin/fetch`], {
      env: { DENO_DIR: `${tree.path}/var/cache/isthmus` },
      timeoutMs: 120_000,
    });
    const packages = [...Deno.readDirSync(`${tree.path}/var/cache/isthmus/npm/registry.npmjs.org`)];
    assert.ok(
      !packages.some(({ name }) => name === "fast-check"),
      "a test library is fetched, too",
    );
    await using debian = await boot(tree);
    const before = await inventory(debian);

    await t.step("install", async () => {
      for (const line of commands("# Install")) {
        if (!fromOutside.test(line)) await debian.sh(line);
      }
      assert.match(await debian.sh("systemctl is-active isthmus"), /^active/);
      assert.match(await debian.sh("isthmus show tunnel"), /branch/);
    });
    await t.step("it is confined", () => confined(debian));
    await t.step("what the unit closes to it is closed", () => isClosed(debian));
    await t.step("what is down waits for its address, and a ping crosses", () => carries(debian));
    await t.step("reload", () => reloads(debian));
    await t.step("save", async () => {
      await debian.sh(
        "isthmus add tunnel name extra tunnel-id 9 peer-tunnel-id 9 local 10.77.0.1 remote 10.77.0.9",
      );
      assert.equal(await debian.sh("isthmus save"), "");
      assert.match(await debian.sh("cat /etc/isthmus/isthmus.yaml"), /extra:/);
      assert.match(await debian.sh("stat -c %a /etc/isthmus/isthmus.yaml"), /^640/);
    });
    await t.step("kill and watchdog", () => isWatched(debian));
    await t.step("stop", async () => {
      await debian.sh("systemctl stop isthmus");
      const shown = await debian.sh("systemctl show isthmus -p Result -p ExecMainStatus");
      assert.match(shown, /Result=success/);
      assert.match(shown, /ExecMainStatus=0/);
      await debian.sh("systemctl start isthmus");
    });
    await t.step("a user of the group may use it, others may not", async () => {
      await debian.sh("useradd -m bob && useradd -m -G isthmus eve");
      const as = (user: string) => debian.attempt(`su -s /bin/sh ${user} -c "isthmus show tunnel"`);
      const eve = await as("eve");
      assert.equal(eve.code, 0, eve.stderr);
      assert.equal((await as("bob")).code, 1);
      await debian.sh("userdel -r bob; userdel -r eve");
    });
    await t.step("uninstall", async () => {
      for (const line of commands("## Uninstall")) await debian.sh(line);
      const after = await inventory(debian);
      assert.deepEqual(after.filter((line) => !before.includes(line)), [], "left behind");
      // What it was installed from, and what it was installed with.
      const gone = before.filter((line) => !after.includes(line) && !brought.test(line));
      assert.deepEqual(gone, [], "taken away");
    });
  },
});

async function confined(debian: Booted): Promise<void> {
  const pid = (await debian.sh("systemctl show isthmus -p MainPID --value")).trim();
  const status = await debian.sh(`cat /proc/${pid}/status`);
  const uid = (await debian.sh("id -u isthmus")).trim();
  assert.match(status, new RegExp(`^Uid:\\s+${uid}\\s+${uid}`, "m"));
  // CAP_NET_ADMIN is bit 12, CAP_NET_RAW bit 13.
  assert.match(status, /^CapEff:\s+0000000000003000$/m);
  assert.match(status, /^CapBnd:\s+0000000000003000$/m);
  assert.match(status, /^NoNewPrivs:\s+1$/m);
  assert.match(status, /^Seccomp:\s+2$/m);
  const limits = await debian.sh(`cat /proc/${pid}/limits`);
  assert.match(limits, /^Max core file size +0 +0/m);
  // 65,536, or as many as this machine allows: not the soft limit of 1024 that a service has otherwise.
  assert.ok(Number(/^Max open files +(\d+)/m.exec(limits)![1]) > 1024, limits);
  const verified = await debian.attempt(
    "systemd-analyze verify /etc/systemd/system/isthmus.service",
  );
  assert.ok(!/isthmus/.test(verified.stdout + verified.stderr), verified.stderr);
  const security = await debian.sh(
    "systemd-analyze security --offline=true /etc/systemd/system/isthmus.service | tail -1",
  );
  const exposure = Number(/: ([\d.]+)/.exec(security)![1]);
  say(`  systemd-analyze security: ${exposure}`);
  assert.ok(exposure < 4, security);
  // The log has its priorities: what is down is a warning, 4.
  const file = "/etc/isthmus/isthmus.yaml";
  await debian.sh(`sed -i 's/^listen: \\[/&{ udp: "203.0.113.1:1702" }, /' ${file}`);
  await debian.sh("systemctl reload isthmus");
  await debian.sh(`sed -i 's/{ udp: "203.0.113.1:1702" }, //' ${file}`);
  await debian.sh("systemctl reload isthmus");
  const warnings = () => debian.sh("journalctl -u isthmus -p warning -o cat");
  await until("it is told of", async () => /down, and tried again/.test(await warnings()));
  assert.ok(!/ info /.test(await warnings()));
}

/** The other end is a namespace with an appliance of the example that the chapter names. */
async function carries(debian: Booted): Promise<void> {
  const folder = "/tmp/hq";
  for (
    const line of [
      `mkdir ${folder} && ip link set lo up && ip netns add hq`,
      "ip link add under0 type veth peer name under1 netns hq",
      "ip -n hq addr add 10.77.0.2/24 dev under1 && ip -n hq link set under1 up",
      `echo 'admin: { listen: "unix:${folder}/admin.sock" }' > ${folder}/hq.yaml`,
      `cat /opt/isthmus/docs/examples/headquarters.yaml >> ${folder}/hq.yaml`,
      `ISTHMUS_WRITE=${folder} ip netns exec hq isthmus run ${folder}/hq.yaml > ${folder}/log 2>&1 & echo $! > ${folder}/pid`,
      "ip addr add 10.77.0.1/24 dev under0 && ip link set under0 up",
    ]
  ) await debian.sh(line);
  try {
    await until("the tunnel has its address", async () => {
      const { stdout } = await debian.attempt("isthmus --json show down");
      return stdout.trim() === "[]";
    }, 60_000);
    assert.match(await debian.sh("systemctl show isthmus -p NRestarts --value"), /^0$/m);
    assert.match(await debian.sh("ip -br addr show office0"), /192\.168\.7\.1\/24/);
    await until(
      "headquarters is there",
      async () => (await debian.attempt("ip netns exec hq ip link show office0")).code === 0,
      60_000,
    );
    for (const line of commands("## Try it")) {
      assert.match(await debian.sh(line), /3 received/);
    }
  } finally {
    await debian.attempt(
      `kill $(cat ${folder}/pid); sleep 1; ip netns del hq; umount /run/netns; rmdir /run/netns; rm -r ${folder}`,
    );
  }
}

/** Tried from inside of a service with the same lines, what each of them shall refuse. */
const tries = `
$| = 1;
chomp(my $core = \`sh -c "ulimit -c"\`);
print "core $core\\n";
print "tun ", (open(my $tun, "+<", "/dev/net/tun") ? "open" : $!), "\\n";
print "device ", (open(my $other, "<", "/dev/other") ? "open" : 0 + $!), "\\n";
print "protocol 115 ", (socket(my $raw, 2, 3, 115) ? "open" : $!), "\\n";
print "packets ", (socket(my $packets, 17, 3, 0) ? "open" : $!), "\\n";
print "vsock ", (socket(my $vsock, 40, 1, 0) ? "open" : 0 + $!), "\\n";
print "ptrace ", (syscall(\`uname -m\` =~ /x86/ ? 101 : 117, 0, 0, 0, 0) == 0 ? "done" : 0 + $!), "\\n";
print "usr ", (open(my $usr, ">", "/usr/local/bin/x") ? "open" : $!{EROFS} ? "read-only" : $!), "\\n";
print "home ", (opendir(my $root, "/root") ? "open" : 0 + $!), "\\n";
`;

async function isClosed(debian: Booted): Promise<void> {
  const write = (path: string, text: string) =>
    debian.sh(`cat > ${path} <<'END'\n${text.trim()}\nEND`);
  await write("/var/cache/isthmus/try.pl", tries);
  // A device that DeviceAllow does not name: there may be none behind it, which would be another error.
  await debian.sh("mknod -m 666 /dev/other c 10 229");
  const unit = (await debian.sh("cat /etc/systemd/system/isthmus.service")).split("\n")
    .filter((line) => !/^(Exec|Restart|WatchdogSec|NotifyAccess|Type|RuntimeDirectory=)/.test(line))
    .join("\n");
  await write(
    "/run/systemd/system/try.service",
    unit.replace(
      "[Service]",
      "[Service]\nType=oneshot\nExecStart=/usr/bin/perl -MErrno /var/cache/isthmus/try.pl",
    ),
  );
  await debian.sh("systemctl daemon-reload && systemctl start try");
  let said = "";
  await until("it has tried all", async () => {
    said = await debian.sh("journalctl -u try -o cat");
    return said.includes("home ");
  });
  // EPERM is 1, EACCES 13, EAFNOSUPPORT 97.
  for (
    const line of [
      "core 0",
      "tun open",
      "device 1",
      "protocol 115 open",
      "packets open",
      "vsock 97",
      "ptrace 1",
      "usr read-only",
      "home 13",
    ]
  ) assert.ok(said.split("\n").includes(line), `${line}\n${said}`);
  await debian.sh("rm /run/systemd/system/try.service /var/cache/isthmus/try.pl /dev/other");
  await debian.sh("systemctl daemon-reload");
}

/** What comes and goes by itself: journals, tickets and backups of useradd. */
const volatile =
  /^\/(var\/log|var\/lib\/systemd|etc\/(passwd|group|shadow|gshadow|subuid|subgid)-?$|etc\/\.pwd\.lock|run\/(systemd|log|udev|user|dbus|utmp)|tmp\/systemd-private|var\/tmp\/systemd-private)/;
/** What the test itself put there before it began. */
const brought = /^\/(opt|var\/cache)\/isthmus/;

/** All files, users, groups, control groups, devices and sockets of the tree. */
async function inventory(debian: Booted): Promise<string[]> {
  const files = await debian.sh(
    "find / -xdev -path /proc -prune -o -path /sys -prune -o -print; find /run /tmp /dev/shm /sys/fs/cgroup -type d -o -type s",
  );
  const others = await debian.sh(
    "getent passwd; getent group; ip -br link | cut -d' ' -f1; ip netns; ss -Hlnx | tr -s ' ' | cut -d' ' -f5",
  );
  return [
    ...files.split("\n").filter((path) => !volatile.test(path)),
    ...others.split("\n"),
  ];
}

async function reloads(debian: Booted): Promise<void> {
  const file = "/etc/isthmus/isthmus.yaml";
  await debian.sh(`cp -p ${file} /root/good.yaml`);
  await debian.sh(`sed -i 's/seq: both/seq: send/' ${file}`);
  await debian.sh("systemctl reload isthmus");
  assert.match(await debian.sh("isthmus --json show config"), /"seq": "send"/);
  await debian.sh(`sed -i 's/session-id: 11/sesion-id: 11/' ${file}`);
  assert.notEqual((await debian.attempt("systemctl reload isthmus")).code, 0);
  const told = /sesion-id: \/etc\/isthmus\/isthmus\.yaml:\d+:\d+: unknown key/;
  await until(
    "the reason is told",
    async () => told.test(await debian.sh("journalctl -u isthmus -o cat -n 20")),
  );
  assert.match(await debian.sh("systemctl is-active isthmus"), /^active/);
  await debian.sh(`cat /root/good.yaml > ${file}; rm /root/good.yaml; systemctl reload isthmus`);
}

async function isWatched(debian: Booted): Promise<void> {
  const pidOf = async () => (await debian.sh("systemctl show isthmus -p MainPID --value")).trim();
  const again = (before: string) =>
    until("another process runs and answers", async () => {
      const now = await pidOf();
      return now !== "0" && now !== before &&
        (await debian.attempt("isthmus show tunnel")).code === 0;
    }, 60_000);
  const first = await pidOf();
  await debian.sh("systemctl kill --signal=SIGKILL isthmus");
  await again(first);
  // A watchdog of 3 s for the test; a process that stands still is killed by it.
  await debian.sh("mkdir -p /run/systemd/system/isthmus.service.d");
  await debian.sh(
    "printf '[Service]\\nWatchdogSec=3\\n' > /run/systemd/system/isthmus.service.d/watchdog.conf",
  );
  await debian.sh("systemctl daemon-reload && systemctl restart isthmus");
  const second = await pidOf();
  await new Promise((resolve) => setTimeout(resolve, 4500));
  assert.equal(await pidOf(), second, "the watchdog is fed");
  await debian.sh("systemctl kill --kill-who=main --signal=SIGSTOP isthmus");
  await again(second);
  assert.match(await debian.sh("systemctl show isthmus -p NRestarts --value"), /^1$/m);
}
