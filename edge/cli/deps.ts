/** What the commands need of the world. @module */

/** What the commands need of the world. */
export interface Deps {
  /** The program's version. */
  readonly version: string;
  /** Runs the appliance until it is told to stop; gives the exit status. @throws {ConfigError} */
  run(configPath: string): Promise<number>;
  /** Reads and validates a configuration file; what to warn of. @throws {ConfigError} when it is wrong */
  check(configPath: string): Promise<readonly string[]>;
  /** Reads a text file. */
  readTextFile(path: string): Promise<string>;
  exists(path: string): Promise<boolean>;
  /** Who runs it. */
  uid(): number;
  env(name: string): string | undefined;
  stdout(text: string): void;
  stderr(text: string): void;
  /** How many columns the terminal has that is standard output; undefined: it is none. */
  columns(): number | undefined;
  /** Waits; false: enough was waited for. */
  sleep(ms: number): Promise<boolean>;
  /** Opens a file to be written anew, or `-`, standard output. @throws {Error} where it cannot be written */
  create(path: string): (bytes: Uint8Array) => void;
}
