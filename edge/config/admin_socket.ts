/** Where the admin endpoint is, unless the file says otherwise: the appliance and the command line agree on it. Pure. @module */

/** For the system's appliance. */
export const systemSocket = "/run/isthmus/admin.sock";

/** What is known of the user and of the environment. */
export interface Surroundings {
  readonly uid: number;
  env(name: string): string | undefined;
}

/**
 * Where an appliance listens: root's, and one with a runtime folder from systemd, at the system's place; a plain user's
 * in the folder of the session.
 */
export function ownSocket({ env, uid }: Surroundings): string {
  const system = uid === 0 || env("RUNTIME_DIRECTORY") !== undefined;
  return system ? systemSocket : userSocket(env) ?? systemSocket;
}

/** Where the command line looks for it, in order. */
export function socketsToTry({ env, uid }: Surroundings): readonly string[] {
  const user = userSocket(env);
  if (user === undefined) return [systemSocket];
  return uid === 0 ? [systemSocket, user] : [user, systemSocket];
}

function userSocket(env: Surroundings["env"]): string | undefined {
  const folder = env("XDG_RUNTIME_DIR");
  return folder?.startsWith("/") ? `${folder}/isthmus/admin.sock` : undefined;
}
