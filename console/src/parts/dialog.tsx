// A question that has to be answered first.  The browser keeps the focus in it and closes it by Escape.
import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';

export function Dialog({ title, onClose, isWide, children }: { title: string; onClose: () => void; isWide?: boolean; children: ComponentChildren }) {
    const box = useRef<HTMLDialogElement>(null);
    const id = useId();
    useLayoutEffect(() => { // what is behind it cannot be pressed from now on
        const former = document.activeElement;
        box.current?.showModal();
        return () => { if (former instanceof HTMLElement) former.focus(); };
    }, []);
    return (
        <dialog ref={box} class={isWide ? 'wide' : undefined} aria-labelledby={id} onCancel={(event) => { event.preventDefault(); onClose(); }}>
            <h2 id={id}>{title}</h2>
            {children}
        </dialog>
    );
}
