/** The dialogs about a session, loaded when they are wanted. */
import { lazy } from "react";

export const RenameDialog = lazy(() =>
  import("./rename-dialog.tsx").then(module => ({ default: module.RenameDialog })),
);
export const EndDialog = lazy(() =>
  import("./end-dialog.tsx").then(module => ({ default: module.EndDialog })),
);
export const DetailsDialog = lazy(() =>
  import("./details-dialog.tsx").then(module => ({ default: module.DetailsDialog })),
);
export const ShareDialog = lazy(() =>
  import("./share-dialog.tsx").then(module => ({ default: module.ShareDialog })),
);
