// How a call fails.

import { BinaryReader } from "@bufbuild/protobuf/wire";
import { anyUnpack, type Any } from "@bufbuild/protobuf/wkt";
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";

/** The codes of `google.rpc.Code`. */
export enum Code {
  Canceled = 1,
  Unknown,
  InvalidArgument,
  DeadlineExceeded,
  NotFound,
  AlreadyExists,
  PermissionDenied,
  ResourceExhausted,
  FailedPrecondition,
  Aborted,
  OutOfRange,
  Unimplemented,
  Internal,
  Unavailable,
  DataLoss,
  Unauthenticated,
}

/** A call that did not end well, with everything that its status says. */
export class CallError extends Error {
  override readonly name = "CallError";

  constructor(
    readonly code: Code,
    message: string,
    readonly details: Any[] = [],
    /** What the service said at the end. */
    readonly trailers: Record<string, string> = {},
  ) {
    super(message);
  }

  /** The details of one type. */
  findDetails<Desc extends DescMessage>(schema: Desc): MessageShape<Desc>[] {
    return this.details.map((detail) => anyUnpack(detail, schema)).filter((found) => found !== undefined);
  }

  /** `ErrorInfo.reason`, by which programs tell failures apart; empty if the status has none. */
  get reason(): string {
    const info = this.details.find((detail) => detail.typeUrl.endsWith("/google.rpc.ErrorInfo"));
    const reader = new BinaryReader(info?.value ?? new Uint8Array());
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === 1) return reader.string();
      reader.skip(wireType, field);
    }
    return "";
  }
}
