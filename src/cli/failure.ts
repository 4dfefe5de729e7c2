// What a command throws when it cannot go on: one sentence for the user, the remedy in it, and the exit code. main.ts
// prints it to stderr without a stack trace; anything else that is thrown is a defect and keeps its trace.

/** Exit code of a command that was asked for something it does not understand. */
export const EXIT_USAGE = 2;

/** Exit code of a command that understood and failed. */
export const EXIT_FAILURE = 1;

/** A failure that the user can do something about. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = EXIT_FAILURE) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

/** Makes the error for a command line that makes no sense. */
export function usageError(message: string): CliError {
  return new CliError(message, EXIT_USAGE);
}

/** Says of anything thrown what a user should read: the message alone, without a trace or an error class. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
